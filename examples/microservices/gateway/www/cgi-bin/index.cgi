#!/bin/sh
# The shop's front page, put together from the services behind it.
show() {
    printf '<h2>%s</h2><pre>%s</pre>\n' "$1" "$(wget -q -O - "$2" 2>&1 || echo "$1 does not answer")"
}
printf 'Content-Type: text/html; charset=utf-8\r\n\r\n'
printf '<!doctype html><title>Shop</title><h1>Shop</h1>\n'
show catalog http://catalog:8080/products.json
show orders http://orders:8080/cgi-bin/orders
show rates http://rates:8080/rates.json
