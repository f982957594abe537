// What the pure part of the library sees of a device. src/vk/ derives from it; tests make one by hand.
#pragma once

#include "core/diagnostics.h"
#include "scandium/device.h"

namespace scandium {

struct Device {
    Caps caps;
    Diagnostics diagnostics;
};

}  // namespace scandium
