#include "pipeline_cache.h"

#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <system_error>

namespace scandium::program {
namespace {

namespace fs = std::filesystem;

// Of an environment variable. A relative one is of no use, as the XDG base directory specification says too.
fs::path folder_of(const char* variable) {
    const char* value = std::getenv(variable);
    const fs::path path(value ? value : "");
    return path.is_absolute() ? path : fs::path();
}

fs::path user_folder() {
#if defined(_WIN32)
    const fs::path caches = folder_of("LOCALAPPDATA");
#else
    fs::path caches = folder_of("XDG_CACHE_HOME");
    if (const fs::path home = folder_of("HOME"); caches.empty() && !home.empty()) caches = home / ".cache";
#endif
    return caches.empty() ? fs::path() : caches / "scandium";
}

}  // namespace

std::string pipeline_cache_path(const std::string& option) {
    if (option == "none") return "";
    if (!option.empty()) return option;
    const fs::path folder = user_folder();
    if (folder.empty()) return "";
    std::error_code error;
    // No one else may write to it: what lies there is handed to a driver.
    if (fs::create_directories(folder, error)) fs::permissions(folder, fs::perms::owner_all, error);
    return fs::is_directory(folder, error) ? folder.string() + "/" : "";
}

}  // namespace scandium::program
