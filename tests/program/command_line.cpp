#include "command_line.h"

#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>

#include "files.h"

namespace scandium::program {
namespace {

std::string shell_word(const std::string& text) {
    std::string word = "'";
    for (char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return word + "'";
}

}  // namespace

size_t Outcome::error_lines() const { return static_cast<size_t>(std::count(err.begin(), err.end(), '\n')); }

Outcome run_program(const std::vector<std::string>& arguments, const std::string& cache_home) {
    const TempFolder folder;
    std::string command = shell_word(SCANDIUM_PROGRAM);
    if (!cache_home.empty()) command = "XDG_CACHE_HOME=" + shell_word(cache_home) + " " + command;
    for (const std::string& argument : arguments) command.append(" ").append(shell_word(argument));
    command.append(" >").append(shell_word(folder.path("out"))).append(" 2>").append(shell_word(folder.path("err")));
    const int status = std::system(command.c_str());
    Outcome outcome;
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.out = read_bytes(folder.path("out"));
    outcome.err = read_bytes(folder.path("err"));
    return outcome;
}

NoDrivers::NoDrivers() {
    for (const char* name : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"}) {
        const char* value = std::getenv(name);
        saved_.push_back({name, value ? value : "", value != nullptr});
        unsetenv(name);
    }
    setenv("VK_DRIVER_FILES", "/nonexistent", 1);
}

NoDrivers::~NoDrivers() {
    for (const Saved& variable : saved_) {
        if (variable.was_set)
            setenv(variable.name.c_str(), variable.value.c_str(), 1);
        else
            unsetenv(variable.name.c_str());
    }
}

void need_device() {
    const char* executes = std::getenv("FLEET_EXECUTES");
    if (executes && std::strcmp(executes, "0") == 0) SKIP("this device only compiles");
    const Outcome outcome = run_program({"devices"});
    if (outcome.code == 3) SKIP("no Vulkan device: " + outcome.err);
    REQUIRE(outcome.code == 0);
}

}  // namespace scandium::program
