// Scandium: basic types shared by every public header.
#pragma once

#include <vulkan/vulkan_core.h>

#include <cstddef>
#include <cstdint>

#if defined(_WIN32) && defined(SCANDIUM_SHARED)
#if defined(SCANDIUM_BUILDING)
#define SCANDIUM_API __declspec(dllexport)
#else
#define SCANDIUM_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define SCANDIUM_API __attribute__((visibility("default")))
#else
#define SCANDIUM_API
#endif

namespace scandium {

// What a call came to. A failure is also told to the diagnostics callback (DeviceDesc, ContextOptions), with a sentence
// that names the argument and the limit it broke. Not told: what query_requirements and query_caps return, and calls on
// a null object, since there is no callback yet; and a graph's first failure when later calls return it again.
// What answers with something else than a Result answers with nothing for a null plan, buffer or context.
enum class Result : int32_t {
    ok = 0,
    invalid_argument,  // the caller's mistake; nothing was changed
    unsupported,       // valid, but no variant fits this device
    out_of_host_memory,
    out_of_device_memory,
    device_lost,
    internal_error,  // a Vulkan call failed in a way that it should not; the callback has its VkResult
};

// Element type of a tensor. 16-bit floats are read and written as stored; all arithmetic is f32.
enum class DType : uint32_t {
    none = 0,
    f32,
    f16,
    bf16,
    i32,
};

// A family of kernels. `scalar` runs on every device, `subgroup` needs subgroup arithmetic or
// shuffles, `coopmat` needs VK_KHR_cooperative_matrix. A stage that lacks the chosen one takes the next lower.
enum class Variant : uint32_t {
    automatic = 0,
    scalar,
    subgroup,
    coopmat,
};

// How shaders reach buffers. `address` needs bufferDeviceAddress and buffers made with
// VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT; `descriptor` needs only storage buffers.
enum class MemoryAccess : uint32_t {
    automatic = 0,
    address,
    descriptor,
};

inline constexpr uint32_t kMaxRank = 5;

// A pointer and a count, so that no container of the standard library stands in the interface.
template <class T>
struct Span {
    const T* data = nullptr;
    size_t size = 0;

    constexpr Span() = default;
    constexpr Span(const T* first, size_t count) : data(first), size(count) {}
    template <size_t N>
    constexpr Span(const T (&array)[N]) : data(array), size(N) {}
};

// How the host lets several things be done at once. `run` calls job(data, 0) to job(data, count - 1), each once, in any order, on
// any threads and as many at once as it likes, and returns when all have returned. Called where it says so, and only then.
struct Parallel {
    using Job = void (*)(void* data, uint32_t index);
    void (*run)(void* user, uint32_t count, Job job, void* data) = nullptr;  // null: on the caller's thread, one after the other
    void* user = nullptr;
};

// A range of a buffer that the host owns.
//   offset: bytes, a multiple of the tensor's alignment (TensorDesc). size: bytes, a multiple of 4.
//   The buffer needs VK_BUFFER_USAGE_STORAGE_BUFFER_BIT, and for MemoryAccess::address also
//   VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT.
struct BufferView {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceSize offset = 0;
    VkDeviceSize size = 0;
};

// Told about every failure. `message` is one sentence, valid during the call only; `vk` is VK_SUCCESS
// unless a Vulkan call failed.
using DiagnosticsCallback = void (*)(void* user, Result result, VkResult vk, const char* message);

SCANDIUM_API const char* to_string(Result result) noexcept;
SCANDIUM_API const char* to_string(DType dtype) noexcept;
SCANDIUM_API const char* to_string(Variant variant) noexcept;
SCANDIUM_API const char* to_string(MemoryAccess access) noexcept;

// Bytes of one element: 4, or 2 for f16 and bf16; 0 for `none`.
SCANDIUM_API uint32_t size_of(DType dtype) noexcept;

}  // namespace scandium
