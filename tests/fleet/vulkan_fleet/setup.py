"""Installing what building Scandium and the devices of the fleet need, on Debian 12 and 13."""
import os
import shutil
import sys
import tempfile
from pathlib import Path

from . import apt
from .apt import call, say
from .devices import ARM_ROOT, OWN, QEMU, devices

# The machine's own release has them in a version that will do.
TOOLS = {"g++": "4:12", "cmake": "3.25", "ninja-build": "1.10", "pkg-config": "0.29", "libcli11-dev": "2", "rapidjson-dev": "1.1",
         "libpcre2-dev": "10.36", "libutf8proc-dev": "2.6"}

MESA = "26.1"
BUILD = {  # the oldest version that will do
    "libvulkan1": "1.4.335", "libvulkan-dev": "1.4.335", "libvulkan-volk-dev": "1.4.335", "libvulkan-memory-allocator-dev": "3.2",
    "glslang-tools": "16", "spirv-tools": "2026", "catch2": "3", "mesa-vulkan-drivers": MESA, "vulkan-validationlayers": "1.4.335",
}
STUBS = {"mesa-drm-shim": MESA}

SOURCE_TOOLS = ("g++", "ninja-build", "pkg-config", "python3-mako", "python3-yaml", "python3-packaging", "bison", "flex", "xz-utils")
SOURCE_HEADERS = ("libc6-dev", "libdrm-dev", "libexpat1-dev", "zlib1g-dev")
CROSS_COMPILER = "g++-aarch64-linux-gnu"


def swiftshader():
    """Debian has SwiftShader inside Chromium only."""
    if (OWN / "vk_swiftshader_icd.json").exists():
        return
    say("taking SwiftShader out of the chromium-common package")
    OWN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        apt.download("chromium-common", folder)
        for name in ("libvk_swiftshader.so", "vk_swiftshader_icd.json"):  # the .json last: it marks the pair complete
            shutil.copy(Path(folder) / "usr/lib/chromium" / name, OWN / name)


def unpack_mesa_source(folder):
    """Debian 13's Mesa and its meson, into folder."""
    private = apt.private(folder / "apt", [f"deb{kind} [signed-by={apt.KEYRING}] {apt.mirror()} trixie main" for kind in ("", "-src")])
    call(*private, "update")
    call(*private, "source", "--download-only", "mesa", cwd=folder, what="fetching Mesa's source")
    call(*private, "download", "meson", cwd=folder)  # Debian 12's is too old
    call("dpkg-deb", "-x", next(folder.glob("meson_*.deb")), folder / "meson")
    (folder / "mesa").mkdir()
    call("tar", "xf", next(folder.glob("mesa_*.orig.tar.xz")), "--strip-components=1", "-C", folder / "mesa")
    # The stub is older than the driver: it does not know two kernel features that the driver requires.
    stub = folder / "mesa/src/broadcom/drm-shim/v3d_noop.c"
    known = "case DRM_V3D_PARAM_SUPPORTS_PERFMON:"
    stub.write_text(stub.read_text().replace(
        known, known + "\n        case DRM_V3D_PARAM_SUPPORTS_MULTISYNC_EXT:\n        case DRM_V3D_PARAM_SUPPORTS_CPU_QUEUE:"))


def build_stubs(folder):
    off = ("glx", "egl", "gbm", "gles1", "gles2", "llvm", "zstd", "valgrind", "libunwind", "xmlconfig", "shader-cache", "gallium-va",
           "gallium-vdpau")
    meson = folder / "meson/usr"
    env = {"PYTHONPATH": f"{meson}/lib/python3/dist-packages:{meson}/share/meson", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    call("/usr/bin/python3", meson / "bin/meson", "setup", folder / "build", "--wrap-mode=nodownload", "-Dbuildtype=release",
         "-Db_ndebug=true", "-Dvulkan-drivers=broadcom", "-Dtools=drm-shim,intel", "-Dopengl=false",
         *(f"-D{option}=disabled" for option in off),
         *(f"-D{option}=" for option in ("gallium-drivers", "platforms", "video-codecs", "vulkan-layers")),
         cwd=folder / "mesa", env=env, what="configuring Mesa")
    built = ["src/intel/tools/libintel_noop_drm_shim.so", "src/broadcom/drm-shim/libv3d_noop_drm_shim.so",
             "src/broadcom/vulkan/libvulkan_broadcom.so"]
    call("ninja", "-C", folder / "build", *built, env=env, what="building the Intel and Raspberry Pi stubs (minutes)")
    for path in built:
        shutil.copy(folder / "build" / path, OWN)


def from_source():
    """Debian builds no kernel stub for Intel, and the Raspberry Pi driver for arm only."""
    apt.install_tools(SOURCE_TOOLS, SOURCE_HEADERS)
    OWN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        unpack_mesa_source(Path(folder))
        build_stubs(Path(folder))
    (OWN / "broadcom_icd.json").write_text(  # last: it marks the set complete
        '{"file_format_version": "1.0.1", "ICD": {"library_path": "./libvulkan_broadcom.so", "api_version": "1.3.305"}}\n')


def arm64():
    """Debian builds the Mali and PowerVR drivers and stubs for arm only: they run under qemu's user emulation."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = [f"deb [signed-by={apt.KEYRING} arch=arm64] {apt.mirror()} {suite} main" for suite in ("trixie", "trixie-backports")]
        private = apt.private(folder / "apt", sources, "-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64")
        call(*private, "update")
        call(*private, "install", "-y", "--no-install-recommends", "--download-only", "mesa-drm-shim/trixie-backports",
             "mesa-vulkan-drivers/trixie-backports", "libvulkan1", "libstdc++6", what="fetching Mesa for arm64")
        (ARM_ROOT / "usr/lib").mkdir(parents=True, exist_ok=True)
        if not (ARM_ROOT / "lib").exists():
            (ARM_ROOT / "lib").symlink_to("usr/lib")
        for package in sorted((folder / "apt/cache/archives").glob("*.deb")):
            call("dpkg-deb", "-x", package, ARM_ROOT)
        apt.download("qemu-user-static", folder)
        qemu = folder / "usr/bin/qemu-aarch64-static"
        if not qemu.is_file():  # since Debian 13 the static one has the plain name, in a package of its own
            apt.download("qemu-user", folder)
            qemu = folder / "usr/bin/qemu-aarch64"
        shutil.copy(qemu, QEMU)  # last: it marks the set complete


def missing(options):
    """What setup with these options would install: packages, and the parts that are not packages."""
    packages = apt.lacking({**BUILD, **({} if options.minimal else STUBS)})
    parts = []
    if not options.minimal and not (OWN / "vk_swiftshader_icd.json").exists():
        parts.append(("SwiftShader", swiftshader))
    if options.from_source and not (OWN / "broadcom_icd.json").exists():
        parts.append(("the Intel and Raspberry Pi stubs", from_source))
    if options.arm64 and not QEMU.exists():
        parts.append(("the arm64 drivers", arm64))
    cross = [] if not options.arm64 or apt.installed(CROSS_COMPILER) else [CROSS_COMPILER]
    return [*apt.lacking(TOOLS), *cross], packages, parts


def setup(options):
    tools, packages, parts = missing(options)
    if options.check:
        names = [*tools, *packages, *(name for name, _ in parts)]
        if names:
            print("missing: " + ", ".join(names))
        return 1 if names else 0
    if not tools and not packages and not parts:
        return 0
    if os.geteuid() != 0:
        sys.exit("fleet setup: only root can install packages")
    apt.update()
    if tools:
        apt.install_tools(tools, ["libc6-dev"])
    if packages:
        if not apt.offered(packages):
            apt.add_sources()
            apt.update()
        apt.install(packages)
    for _, install in parts:
        install()
    usable = sum(device.lacks() is None for device in devices())
    say(f"{usable} of {len(devices())} devices are usable; see fleet list")
    return 0
