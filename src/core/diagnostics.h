// Where failures are told: formats one sentence and hands it to the host's callback, if there is one.
#pragma once

#include "scandium/types.h"

namespace scandium {

struct SCANDIUM_API Diagnostics {  // exported for src/context/, a library of its own
    DiagnosticsCallback callback = nullptr;
    void* user = nullptr;

    // Returns `result`, so that a check reads: return diagnostics.fail(Result::invalid_argument, "...").
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    Result
    fail(Result result, const char* format, ...) const noexcept;

    // For a Vulkan call that failed: maps its VkResult and says which call it was.
    Result fail_vk(VkResult vk, const char* call) const noexcept;
};

}  // namespace scandium
