"""apt, as far as setup needs it: which versions there are, where they come from, installing them."""
import os
import subprocess
import sys
import time
from pathlib import Path

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT = ["apt-get", "-q", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"]


def say(text):
    print("fleet setup: " + text, flush=True)


def call(*cmd, what=None, env=None, **more):
    """Runs a command, silent unless it fails; `what` is announced, with the time it took."""
    start = time.monotonic()
    if what:
        print(f"fleet setup: {what} ...", end="", flush=True)
    done = subprocess.run([str(part) for part in cmd], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(env or {})},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    if what:
        print(f" {time.monotonic() - start:.0f} s" if done.returncode == 0 else " failed", flush=True)
    if done.returncode != 0:
        print("\n".join(done.stdout.decode(errors="replace").splitlines()[-60:]), file=sys.stderr, flush=True)
        raise subprocess.CalledProcessError(done.returncode, cmd)


def output_of(*cmd):
    return subprocess.run(cmd, capture_output=True, text=True).stdout


def newer(version, minimum):
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", minimum]).returncode == 0


def installed(package):
    status, _, version = output_of("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package).partition(" ")
    return version if status == "installed" else None


def lacking(packages):
    """Those of {package: oldest version that will do} that are not installed, or too old."""
    return {package: minimum for package, minimum in packages.items() if not newer(installed(package) or "0", minimum)}


def on_offer(package):
    return [line.split("|")[1].strip() for line in output_of("apt-cache", "madison", package).splitlines()]


def offered(packages):
    return all(any(newer(version, minimum) for version in on_offer(package)) for package, minimum in packages.items())


def update():
    call(*APT, "update", what="reading the package lists")


def mirror():
    """Where this machine takes Debian from: the newer releases come from there too."""
    for line in output_of("apt-get", "indextargets", "--format", "$(ORIGIN)/$(LABEL) $(REPO_URI)").splitlines():
        if line.startswith("Debian/Debian "):
            return line.split(" ")[1].rstrip("/")
    sys.exit("fleet setup: apt names no Debian mirror")


def codename():
    """The release that apt draws on. os-release misleads: Debian 13's libc6 brings its base-files, even into Debian 12."""
    if "n=bookworm," in output_of("apt-cache", "policy"):
        return "bookworm"
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return ""


def write(path, text):
    if not path.exists() or path.read_text() != text:
        say(f"writing {path}")
        path.write_text(text)


def add_sources():
    """Low pins keep everything else on the release the machine already has."""
    suites = {"bookworm": "trixie trixie-backports forky", "trixie": "trixie-backports forky"}.get(codename())
    if not suites:
        sys.exit("fleet setup: apt's versions are too old, and only Debian 12 and 13 are known here")
    write(Path("/etc/apt/sources.list.d/scandium-fleet.sources"),
          f"Types: deb\nURIs: {mirror()}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n")
    pins = "".join(f"Package: *\nPin: release n={suite}\nPin-Priority: {pin}\n\n"
                   for suite, pin in (("trixie", 100), ("trixie-backports", 90), ("forky", 80)) if suite in suites.split())
    write(Path("/etc/apt/preferences.d/scandium-fleet"), pins)


def install(packages):
    """Installs packages, each in the oldest version that will do: it asks least of the rest of the machine."""
    versions = []
    for package, minimum in packages.items():
        good = [version for version in on_offer(package) if newer(version, minimum)]
        if not good:
            sys.exit(f"fleet setup: apt offers no {package} {minimum} or newer")
        versions.append(f"{package}={good[-1]}")
    release = ["-t", "trixie"] if codename() == "bookworm" else []  # their dependencies may come from there too
    call(*APT, "install", "-y", "--no-install-recommends", *release, *versions, what="installing " + " ".join(packages))


def install_tools(tools, headers=()):
    """Tools of the machine's own release. `headers` must match their libraries, which Debian 12 may have from 13 by now."""
    release = "/trixie" if codename() == "bookworm" and newer(installed("libc6"), "2.41") else ""
    todo = [package for package in tools if not installed(package)]
    todo += [package + release for package in headers if not installed(package)]
    if todo:
        call(*APT, "install", "-y", "--no-install-recommends", *todo, what="installing " + " ".join(todo))


def download(package, folder):
    """Unpacks a package into a folder without installing it."""
    call(*APT, "-o", "APT::Sandbox::User=root", "download", package, cwd=folder)
    call("dpkg-deb", "-x", next(Path(folder).glob(package + "_*.deb")), folder)


def private(folder, lines, *options):
    """apt-get with its own sources and state under folder, so that the machine's stay as they are."""
    for sub in ("lists/partial", "cache/archives/partial", "state"):
        (folder / sub).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text("".join(line + "\n" for line in lines))
    settings = {"Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null", "Dir::Etc::Preferences": "/dev/null",
                "Dir::Etc::PreferencesParts": "/dev/null", "Dir::State": folder / "state", "Dir::State::Lists": folder / "lists",
                "Dir::State::status": folder / "status", "Dir::Cache": folder / "cache", "APT::Sandbox::User": "root"}
    return APT + [part for key, value in settings.items() for part in ("-o", f"{key}={value}")] + list(options)
