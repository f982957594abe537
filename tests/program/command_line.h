// Runs the program as a shell would.
#pragma once

#include <string>
#include <vector>

namespace scandium::program {

struct Outcome {
    int code = -1;  // 128 and more: it died of a signal
    std::string out, err;

    size_t error_lines() const;
};

// `cache_home`: where the user keeps caches; empty: where it always is.
Outcome run_program(const std::vector<std::string>& arguments, const std::string& cache_home = "");

// For the time of its life programs find no Vulkan driver.
class NoDrivers {
public:
    NoDrivers();
    ~NoDrivers();
    NoDrivers(const NoDrivers&) = delete;
    NoDrivers& operator=(const NoDrivers&) = delete;

private:
    struct Saved {
        std::string name, value;
        bool was_set;
    };
    std::vector<Saved> saved_;
};

// Skips the running test where there is no device that runs shaders.
void need_device();

}  // namespace scandium::program
