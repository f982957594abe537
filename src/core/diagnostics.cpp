#include "core/diagnostics.h"

#include <cstdarg>
#include <cstdio>

namespace scandium {

Result Diagnostics::fail(Result result, const char* format, ...) const noexcept {
    if (!callback) return result;
    char message[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    callback(user, result, VK_SUCCESS, message);
    return result;
}

Result Diagnostics::fail_vk(VkResult vk, const char* call) const noexcept {
    Result result = Result::internal_error;
    if (vk == VK_ERROR_OUT_OF_HOST_MEMORY) result = Result::out_of_host_memory;
    if (vk == VK_ERROR_OUT_OF_DEVICE_MEMORY || vk == VK_ERROR_OUT_OF_POOL_MEMORY) result = Result::out_of_device_memory;
    if (vk == VK_ERROR_DEVICE_LOST) result = Result::device_lost;
    if (callback) {
        char message[128];
        std::snprintf(message, sizeof message, "%s failed with VkResult %d", call, int(vk));
        callback(user, result, vk, message);
    }
    return result;
}

const char* to_string(Result result) noexcept {
    switch (result) {
    case Result::ok: return "ok";
    case Result::invalid_argument: return "invalid argument";
    case Result::unsupported: return "unsupported";
    case Result::out_of_host_memory: return "out of host memory";
    case Result::out_of_device_memory: return "out of device memory";
    case Result::device_lost: return "device lost";
    case Result::internal_error: return "internal error";
    }
    return "unknown result";
}

const char* to_string(DType dtype) noexcept {
    switch (dtype) {
    case DType::none: return "none";
    case DType::f32: return "f32";
    case DType::f16: return "f16";
    case DType::bf16: return "bf16";
    case DType::i32: return "i32";
    }
    return "unknown dtype";
}

const char* to_string(Variant variant) noexcept {
    switch (variant) {
    case Variant::automatic: return "auto";
    case Variant::scalar: return "scalar";
    case Variant::subgroup: return "subgroup";
    case Variant::coopmat: return "coopmat";
    }
    return "unknown variant";
}

const char* to_string(MemoryAccess access) noexcept {
    switch (access) {
    case MemoryAccess::automatic: return "auto";
    case MemoryAccess::address: return "address";
    case MemoryAccess::descriptor: return "descriptor";
    }
    return "unknown access";
}

uint32_t size_of(DType dtype) noexcept {
    switch (dtype) {
    case DType::f32:
    case DType::i32: return 4;
    case DType::f16:
    case DType::bf16: return 2;
    case DType::none: break;
    }
    return 0;
}

}  // namespace scandium
