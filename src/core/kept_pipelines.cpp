#include "core/kept_pipelines.h"

#include "core/hash.h"

namespace scandium {
namespace {

// The header in its order. All members are of four or eight bytes, at multiples of their size, so that there are no gaps.
// In this machine's order of bytes: with the other order the magic number is another.
struct Header {
    uint64_t magic;
    uint32_t header_bytes, library_version;
    uint64_t kernels;
    uint32_t vendor_id, device_id, driver_version;
    uint32_t address_bytes;  // a driver's cache may differ between programs of 32 and 64 bits
    uint8_t cache_uuid[VK_UUID_SIZE];
    uint64_t payload_bytes, payload_hash;
    uint64_t header_hash;  // of all before
};
static_assert(sizeof(Header) == kKeptHeaderBytes && offsetof(Header, header_hash) + sizeof(uint64_t) == sizeof(Header));

constexpr uint64_t kMagic = 0x31657069702d6453;  // "Sd-pipe1"

Header header_of(const PipelineOrigin& origin, Span<uint8_t> payload) {
    Header header{};
    header.magic = kMagic;
    header.header_bytes = sizeof header;
    header.library_version = origin.library_version;
    header.kernels = origin.kernels;
    header.vendor_id = origin.vendor_id;
    header.device_id = origin.device_id;
    header.driver_version = origin.driver_version;
    header.address_bytes = sizeof(void*);
    std::memcpy(header.cache_uuid, origin.cache_uuid, sizeof header.cache_uuid);
    header.payload_bytes = payload.size;
    header.payload_hash = hash_bytes(payload.data, payload.size);
    header.header_hash = hash_bytes(&header, offsetof(Header, header_hash));
    return header;
}

// Vulkan's own header, which every driver checks again.
bool is_of_driver(const PipelineOrigin& origin, Span<uint8_t> payload) {
    struct {
        uint32_t bytes, version, vendor_id, device_id;
        uint8_t cache_uuid[VK_UUID_SIZE];
    } vulkan;
    if (payload.size < sizeof vulkan) return false;
    std::memcpy(&vulkan, payload.data, sizeof vulkan);
    return vulkan.bytes >= sizeof vulkan && vulkan.bytes <= payload.size &&
           vulkan.version == uint32_t(VK_PIPELINE_CACHE_HEADER_VERSION_ONE) && vulkan.vendor_id == origin.vendor_id &&
           vulkan.device_id == origin.device_id && std::memcmp(vulkan.cache_uuid, origin.cache_uuid, VK_UUID_SIZE) == 0;
}

const char* find_fault(const PipelineOrigin& origin, const Header& header, Span<uint8_t> payload) {
    if (header.magic != kMagic || header.header_bytes != sizeof header) return "are not what save_pipelines() gives";
    if (header.header_hash != hash_bytes(&header, offsetof(Header, header_hash))) return "are damaged";
    if (header.library_version != origin.library_version || header.kernels != origin.kernels) return "are of another build of Scandium";
    if (header.vendor_id != origin.vendor_id || header.device_id != origin.device_id) return "are of another device";
    if (header.driver_version != origin.driver_version || header.address_bytes != sizeof(void*) ||
        std::memcmp(header.cache_uuid, origin.cache_uuid, VK_UUID_SIZE) != 0)
        return "are of another driver";
    if (header.payload_bytes != payload.size) return "are cut off, or more than they should be";
    if (header.payload_hash != hash_bytes(payload.data, payload.size) || !is_of_driver(origin, payload)) return "are damaged";
    return nullptr;
}

}  // namespace

void write_kept_header(const PipelineOrigin& origin, Span<uint8_t> payload, uint8_t* header) {
    const Header filled = header_of(origin, payload);
    std::memcpy(header, &filled, sizeof filled);
}

KeptPipelines read_kept(const PipelineOrigin& origin, Span<uint8_t> bytes) {
    KeptPipelines kept;
    Header header;
    if (!bytes.data || bytes.size < sizeof header) {
        kept.fault = "are shorter than their header";
        return kept;
    }
    std::memcpy(&header, bytes.data, sizeof header);
    const Span<uint8_t> payload(bytes.data + sizeof header, bytes.size - sizeof header);
    kept.fault = find_fault(origin, header, payload);
    if (!kept.fault) kept.payload = payload;
    return kept;
}

}  // namespace scandium
