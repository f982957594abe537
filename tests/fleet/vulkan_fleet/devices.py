"""The Vulkan devices that a machine without a GPU can offer, and how a program comes to see only one of them."""
import os
from pathlib import Path

LIB = Path("/usr/lib/x86_64-linux-gnu")
ARM_LIB = Path("/usr/lib/aarch64-linux-gnu")  # below ARM_ROOT
ICD = Path("/usr/share/vulkan/icd.d")
OWN = Path(os.environ.get("FLEET_DIR", "/usr/local/lib/scandium-fleet"))  # what `fleet setup` puts there
ARM_ROOT = OWN / "arm64"
QEMU = OWN / "qemu-aarch64"


class Device:
    """One device: a driver, and for the compile-only ones the kernel stub that is preloaded under it."""

    def __init__(self, name, what, icd, stub=None, arm64=False, part="setup", vulkan10=False, **env):
        self.name, self.what, self.arm64, self.part, self.env = name, what, arm64, part, env
        self.vulkan10 = vulkan10  # it offers no more than Vulkan 1.0, so that Scandium does not serve it
        self.icd = Path(f"{ARM_ROOT}{icd}") if arm64 else icd
        self.stub = stub
        self.executes = stub is None

    def lacks(self):
        """The command that would set the device up; None if it is."""
        stub = Path(f"{ARM_ROOT}{self.stub}") if self.arm64 else self.stub
        needed = [self.icd, stub] + ([QEMU] if self.arm64 else [])
        return None if all(path is None or path.exists() for path in needed) else "fleet " + self.part

    def command(self, cmd, arm64_dir):
        """The command line and environment for CMD. The stub is preloaded into CMD only."""
        env = {
            **os.environ,
            "FLEET_DEVICE": self.name,
            "FLEET_EXECUTES": str(int(self.executes)),
            "VK_DRIVER_FILES": str(self.icd),
            "VK_ICD_FILENAMES": str(self.icd),  # the same, for loaders older than 1.3.207
            "VK_LOADER_LAYERS_DISABLE": "~implicit~",
            "MESA_SHADER_CACHE_DISABLE": "true",  # a cached binary would prove nothing of a compiler
            **self.env,
        }
        if self.executes:
            if cache := os.environ.get("FLEET_SHADER_CACHE"):
                # A folder for each device: that its lanes are part of a cache's keys is not promised.
                env |= {"MESA_SHADER_CACHE_DISABLE": "false", "MESA_SHADER_CACHE_DIR": str(Path(cache) / self.name)}
            return cmd, env
        if self.arm64:
            own = str(Path(arm64_dir) / Path(cmd[0]).name)
            return [str(QEMU), "-L", str(ARM_ROOT), "-E", f"LD_PRELOAD={self.stub}", own] + cmd[1:], env
        for name, value in (("LD_PRELOAD", str(self.stub)), ("ASAN_OPTIONS", "verify_asan_link_order=0")):
            env[name] = ":".join(filter(None, [os.environ.get(name), value]))
        return cmd, env


def _stub(driver, folder=LIB):
    return folder / f"lib{driver}_noop_drm_shim.so"


def _software():
    for bits, lanes in ((128, 4), (256, 8), (512, 16)):
        yield Device(f"lavapipe{bits}", f"Mesa lavapipe, {lanes} lanes", ICD / "lvp_icd.json", LP_NATIVE_VECTOR_WIDTH=str(bits))
    yield Device("swiftshader", "SwiftShader, 4 lanes", OWN / "vk_swiftshader_icd.json")


def _from_packages():
    for gpu, what in (
        ("pitcairn", "GCN 1"), ("bonaire", "GCN 2"), ("polaris10", "GCN 4, RX 580"), ("vega10", "GCN 5, RX Vega"),
        ("vega20", "GCN 5, Pro VII"), ("renoir", "GCN 5 APU"), ("navi10", "RDNA 1, RX 5700 XT"), ("navi21", "RDNA 2, RX 6800"),
        ("vangogh", "RDNA 2, Steam Deck"), ("navi31", "RDNA 3, RX 7900 XTX"), ("navi33", "RDNA 3, RX 7600"),
        ("phoenix", "RDNA 3 APU"), ("strix1", "RDNA 3.5 APU"), ("gfx1201", "RDNA 4"),
    ):
        yield Device(gpu, "AMD " + what, ICD / "radeon_icd.json", _stub("amdgpu"), AMDGPU_GPU_ID=gpu)
    for gpu in (618, 630, 660, 702, 730, 740, 750, 810, 830):
        yield Device(f"adreno{gpu}", f"Qualcomm Adreno {gpu}", ICD / "freedreno_icd.json", _stub("freedreno"), vulkan10=gpu == 702,
                     FD_GPU_ID=str(gpu))
    yield Device("apple-m1", "Apple M1", ICD / "asahi_icd.json", _stub("asahi"))
    for name, chipset, what in (
        ("kepler", "f0", "GK110"), ("maxwell", "124", "GM204"), ("pascal", "132", "GP102"), ("volta", "140", "GV100"),
        ("turing", "162", "TU102"), ("turing16", "168", "TU116, no tensor cores"), ("ampere100", "170", "GA100"), ("ampere", "172", "GA102"),
    ):
        yield Device("nvk-" + name, "NVIDIA " + what, ICD / "nouveau_icd.json", _stub("nouveau"), NOUVEAU_CHIPSET=chipset)


def _from_source():
    part = "setup --from-source"
    for gpu, what in (
        ("skl", "Gen 9, Skylake"), ("icl", "Gen 11, Ice Lake"), ("tgl", "Xe-LP, Tiger Lake"), ("adl", "Xe-LP, Alder Lake"),
        ("dg2", "Xe-HPG, Arc A770"), ("mtl", "Xe-LPG, Meteor Lake"), ("lnl", "Xe2, Lunar Lake"), ("bmg", "Xe2, Battlemage"),
        ("ptl", "Xe3, Panther Lake"),
    ):
        yield Device("intel-" + gpu, "Intel " + what, ICD / "intel_icd.json", _stub("intel", OWN), part=part,
                     INTEL_STUB_GPU_PLATFORM=gpu, INTEL_FORCE_PROBE="*")
    yield Device("v3d42", "Broadcom V3D 4.2, Raspberry Pi 4", OWN / "broadcom_icd.json", _stub("v3d", OWN), part=part)


def _arm64():
    part = "setup --arm64"
    for name, gpu in (("g52", "7212"), ("g310", "ac74"), ("g610", "a867")):
        yield Device("mali-" + name, "Arm Mali-" + name.upper(), ICD / "panfrost_icd.json", _stub("panfrost", ARM_LIB), arm64=True,
                     part=part, vulkan10=name == "g52", PAN_GPU_ID=gpu, PAN_I_WANT_A_BROKEN_VULKAN_DRIVER="1")
    yield Device("powervr-bxs", "PowerVR BXS-4-64", ICD / "powervr_mesa_icd.json", _stub("powervr", ARM_LIB), arm64=True,
                 part=part, PVR_I_WANT_A_BROKEN_VULKAN_DRIVER="1")


def devices():
    return [*_software(), *_from_packages(), *_from_source(), *_arm64()]
