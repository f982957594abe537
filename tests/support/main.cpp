// The test programs that need a device. Exits with 77 where nothing can be tested: on a device that compiles shaders
// but runs none (FLEET_EXECUTES=0), or if every test was skipped.
#include <catch2/catch_session.hpp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "support/ssd_case.h"
#include "support/test_device.h"

int main(int argc, char** argv) {
    using scandium::test::TestDevice;
    constexpr int kSkipped = 77, kCatchAllSkipped = 4;
    const char* executes = std::getenv("FLEET_EXECUTES");
    if (executes && std::strcmp(executes, "0") == 0) {
        std::puts("skipped: device does not execute");
        return kSkipped;
    }
    int status = Catch::Session().run(argc, argv);
    scandium::test::forget_plans();
    const std::string left = to_text(TestDevice::close());
    if (!left.empty()) {
        std::printf("after the tests, on destroying the device:\n%s", left.c_str());
        if (status == 0) status = 1;
    }
    return status == kCatchAllSkipped ? kSkipped : status;
}
