#include <iostream>

#include "commands.h"
#include "report.h"
#include "runner.h"

namespace scandium::program {

int show_devices(bool json) {
    const std::vector<DeviceEntry> devices = find_devices();
    std::cout << (json ? devices_json(devices) : devices_text(devices));
    return kFine;
}

}  // namespace scandium::program
