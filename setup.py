"""The packages of the wheel. The folder `app` is installed as `arcinvert_app`, to hide nobody's own `app`.

All else is in pyproject.toml, which cannot rename a package that it finds.
"""

from setuptools import find_namespace_packages, setup

APP = "arcinvert_app"
#: Folders of data count as packages too; compiled files do not.
EXCLUDED = ["__pycache__", "*.__pycache__"]

setup(
    packages=[
        *find_namespace_packages(
            include=["arcinvert", "arcinvert.*", "recognition", "recognition.*"], exclude=EXCLUDED
        ),
        APP,
        *(f"{APP}.{name}" for name in find_namespace_packages("app", exclude=EXCLUDED)),
    ],
    package_dir={APP: "app"},
)
