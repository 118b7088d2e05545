"""The developers' commands: `./inv --list`. Each group is a module in tasks/."""

from pathlib import Path

# `import tasks` finds this file, so the folder beside it would be out of reach: this makes the file a package too.
# tasks/ has no __init__.py, or the name would mean two things.
__path__ = [str(Path(__file__).with_suffix(""))]

from invoke import Collection

from tasks import bench, demo, engine, images, quality

namespace = Collection()
for task in (
    demo.demo, quality.test, quality.check, bench.bench, quality.lock, quality.clean, images.images, images.buildx,
):  # fmt: skip
    namespace.add_task(task)
namespace.add_collection(Collection.from_module(engine, name="engine"))
