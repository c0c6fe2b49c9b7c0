"""The product's own modules: how they are found, what they may leave out, and what is said when one cannot be used."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import APIRouter

from app import migrations
from app.config import ConfigurationError
from app.extensions import load_extensions
from app.main import create_app
from tests.configuring import load

Write = Callable[[str, str], Path]
ROUTER = "from fastapi import APIRouter\nrouter = APIRouter(prefix='/shop')\n"
PUBLIC_ROUTE = """
from fastapi import APIRouter
from app.auth.dependencies import Public

router = APIRouter(prefix="/shop")

@router.get("/articles", dependencies=[Public])
async def articles() -> list[str]:
    return []
"""
REVISION = """
revision = "{name}"
down_revision = None
branch_labels = ("branch_of_{name}",)
depends_on = None

def upgrade() -> None: ...
def downgrade() -> None: ...
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a file beside the application, where Python finds it; what was imported is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    yield write_file
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def findings(*names: str) -> list[str]:
    """What a start with these extensions is refused for."""
    with pytest.raises(ConfigurationError) as refusal:
        load_extensions(names)
    return refusal.value.findings


def test_no_extension_is_no_mistake() -> None:
    assert load_extensions([]) == []


def test_a_module_with_a_router_is_an_extension(write: Write) -> None:
    write("shop_plain.py", ROUTER)
    (extension,) = load_extensions(["shop_plain"])
    assert extension.name == "shop_plain"
    assert isinstance(extension.router, APIRouter)
    assert extension.prefix == "/api/v1"
    assert extension.migrations is None


def test_a_module_may_stand_deep_in_a_package(write: Write) -> None:
    write("products/__init__.py", "")
    write("products/shop/__init__.py", "")
    write("products/shop/api.py", ROUTER)
    assert load_extensions(["products.shop.api"])[0].name == "products.shop.api"


def test_extensions_keep_the_order_of_the_setting(write: Write) -> None:
    """Their routes and migrations are added in that order."""
    for name in ("zebra_ext", "aardvark_ext"):
        write(f"{name}.py", ROUTER)
    assert [extension.name for extension in load_extensions(["zebra_ext", "aardvark_ext"])] == [
        "zebra_ext",
        "aardvark_ext",
    ]


# Where its routes are.


@pytest.mark.parametrize("prefix", ["/shop-api", "", "/"])
def test_a_module_may_have_a_prefix_of_its_own(write: Write, prefix: str) -> None:
    write("shop_prefixed.py", f"{ROUTER}prefix = {prefix!r}\n")
    assert load_extensions(["shop_prefixed"])[0].prefix == prefix


@pytest.mark.parametrize(("line", "path"), [("", "/api/v1/shop/articles"), ("prefix = '/v7'", "/v7/shop/articles")])
def test_routes_are_mounted_below_the_prefix(write: Write, line: str, path: str) -> None:
    write("shop_routed.py", f"{PUBLIC_ROUTE}\n{line}\n")
    document = create_app(load(EXTENSIONS="shop_routed")).openapi()
    assert path in document["paths"]


def test_a_route_that_does_not_say_who_may_call_it_refuses_the_start(write: Write) -> None:
    """S11, S13: the rule for our own routes holds for the product's."""
    write("shop_unguarded.py", PUBLIC_ROUTE.replace(", dependencies=[Public]", ""))
    with pytest.raises(ConfigurationError, match=r"GET /api/v1/shop/articles \(shop_unguarded\.articles\)"):
        create_app(load(EXTENSIONS="shop_unguarded"))


def test_one_extension_named_twice_refuses_the_start(write: Write) -> None:
    write("shop_doubled.py", PUBLIC_ROUTE)
    with pytest.raises(ConfigurationError, match="taken twice"):
        create_app(load(EXTENSIONS="shop_doubled,shop_doubled"))


# What cannot be used.


@pytest.mark.parametrize("name", ["no_such_module", "no_such_package.api", "json.no_such_part"])
def test_a_module_that_is_missing_is_named(name: str) -> None:
    (finding,) = findings(name)
    assert finding.startswith(f"EXTENSIONS: {name} cannot be imported")
    assert "Is it on the Python path, and spelt right?" in finding


@pytest.mark.parametrize("name", [".shop", "..shop.api", "two words", "pa..th", "path.", "shop-api", "shop/api.py"])
def test_a_name_that_is_none_is_a_finding_too(name: str) -> None:
    """A start is refused with a remedy, not with a trace of the import machinery."""
    (finding,) = findings(name)
    assert finding.startswith("EXTENSIONS: ")


def test_a_module_whose_own_import_is_missing_names_both(write: Write) -> None:
    write("shop_incomplete.py", "import no_such_library\n" + ROUTER)
    (finding,) = findings("shop_incomplete")
    assert "shop_incomplete" in finding
    assert "no_such_library" in finding


@pytest.mark.parametrize(
    "text",
    ["", "router = None\n", "router = '/shop'\n", "from fastapi import FastAPI\nrouter = FastAPI()\n", "Router = 7\n"],
)
def test_a_module_without_a_router_is_told_how_to_have_one(write: Write, text: str) -> None:
    write("shop_empty.py", text)
    assert findings("shop_empty") == [
        "EXTENSIONS: shop_empty has no `router`. Give it one: router = APIRouter(prefix=...)"
    ]


@pytest.mark.parametrize("name", ["json", "sys"])
def test_a_module_of_python_is_no_extension(name: str) -> None:
    (finding,) = findings(name)
    assert f"{name} has no `router`" in finding


def test_a_folder_without_code_is_no_extension(write: Write) -> None:
    """A namespace package can be imported and has nothing in it."""
    write("shop_folder/readme.txt", "nothing here")
    (finding,) = findings("shop_folder")
    assert "shop_folder has no `router`" in finding


def test_every_module_that_cannot_be_used_stands_in_one_message(write: Write) -> None:
    """S93: and those between them that could be used hide none."""
    write("shop_good.py", ROUTER)
    write("shop_bad.py", "")
    found = findings("no_such_module", "shop_good", "shop_bad", "no_such_package.api")
    assert [finding.split()[1] for finding in found] == ["no_such_module", "shop_bad", "no_such_package.api"]


def test_the_application_does_not_start_without_one_of_its_extensions() -> None:
    """S93: a product with half of its routes would be worse than none."""
    with pytest.raises(ConfigurationError, match="EXTENSIONS: no_such_module"):
        create_app(load(EXTENSIONS="no_such_module"))


# Where its tables come from.


def test_a_migrations_folder_beside_the_module_is_found(write: Write) -> None:
    write("shop_tables/__init__.py", "")
    write("shop_tables/api.py", ROUTER)
    folder = write("shop_tables/migrations/2026_first.py", REVISION.format(name="shop_tables_1")).parent
    (extension,) = load_extensions(["shop_tables.api"])
    assert extension.migrations == folder
    assert "shop_tables_1" in migrations.revisions([extension]).heads


def test_a_package_has_its_migrations_inside(write: Write) -> None:
    write("shop_package/__init__.py", ROUTER)
    folder = write("shop_package/migrations/first.py", REVISION.format(name="shop_package_1")).parent
    assert load_extensions(["shop_package"])[0].migrations == folder


def test_a_file_called_migrations_is_no_folder_of_them(write: Write) -> None:
    write("shop_file/__init__.py", ROUTER)
    write("shop_file/migrations.py", "")
    write("shop_file/migrations", "")
    assert load_extensions(["shop_file"])[0].migrations is None


@pytest.mark.parametrize("as_path", [True, False])
def test_a_module_may_name_another_folder(write: Write, as_path: bool) -> None:
    folder = write("schema/of_the_shop/first.py", REVISION.format(name="shop_named_1")).parent
    write("shop_named/migrations/unused.py", "")
    named = f"pathlib.Path({str(folder)!r})" if as_path else repr(str(folder))
    write("shop_named/__init__.py", f"import pathlib\n{ROUTER}migrations = {named}\n")
    assert load_extensions(["shop_named"])[0].migrations == folder


def test_a_module_that_imports_its_migrations_keeps_the_folder(write: Write) -> None:
    """`migrations` is then a package, not a path; the folder beside the module is meant."""
    write("shop_imported/migrations/__init__.py", "")
    write("shop_imported/__init__.py", f"{ROUTER}from shop_imported import migrations\n")
    (extension,) = load_extensions(["shop_imported"])
    assert extension.migrations is not None
    assert extension.migrations.parent.name == "shop_imported"


def test_two_modules_of_one_package_share_its_migrations(write: Write) -> None:
    """EXTENSIONS=shop.api,shop.admin: the folder is one, and Alembic is told of it once."""
    write("shop_shared/__init__.py", "")
    write("shop_shared/api.py", ROUTER)
    write("shop_shared/admin.py", ROUTER)
    write("shop_shared/migrations/first.py", REVISION.format(name="shop_shared_1"))
    extensions = load_extensions(["shop_shared.api", "shop_shared.admin"])
    assert "shop_shared_1" in migrations.revisions(extensions).heads


def test_a_named_folder_that_does_not_exist_is_a_finding(write: Write) -> None:
    """A typing error there would otherwise start a product without its tables."""
    write("shop_misnamed.py", f"{ROUTER}migrations = '/no/such/folder'\n")
    (finding,) = findings("shop_misnamed")
    assert finding.startswith("EXTENSIONS: shop_misnamed ")
