// Pipelines kept between runs: what Vulkan gives of a pipeline cache, behind a header that says what it is good for.
//
// Vulkan lets an application hand a driver only bytes that such a driver gave, and drivers trust them: what comes from a file
// is looked at here first.
#pragma once

#include "scandium/device.h"

namespace scandium {

// What the bytes are of. Of anything else they are no use.
struct PipelineOrigin {
    uint32_t library_version = 0;
    uint64_t kernels = 0;  // a hash of all SPIR-V
    uint32_t vendor_id = 0, device_id = 0, driver_version = 0;
    uint8_t cache_uuid[VK_UUID_SIZE] = {};
};

inline constexpr size_t kKeptHeaderBytes = 80;

// Writes the header that belongs before `payload`.
void write_kept_header(const PipelineOrigin& origin, Span<uint8_t> payload, uint8_t* header);

struct KeptPipelines {
    Span<uint8_t> payload;        // for VkPipelineCacheCreateInfo, if there is no fault
    const char* fault = nullptr;  // the end of a sentence
};
KeptPipelines read_kept(const PipelineOrigin& origin, Span<uint8_t> bytes);

}  // namespace scandium
