#!/bin/sh
# Every product has a name and a price.
set -eu
names=$(grep -c '"name"' catalog/data/products.json)
prices=$(grep -c '"price"' catalog/data/products.json)
[ "$names" = "$prices" ] || { echo "catalog/data/products.json: $names names, $prices prices" >&2; exit 1; }
echo "$names products"
