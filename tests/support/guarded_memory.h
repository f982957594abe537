// Device memory in which every byte that a plan may not write is watched: guards before and after each tensor, padding
// between rows, inputs. It all starts as a pattern that is NaN in f32, f16 and bf16, so that reading it shows too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/test_device.h"

namespace scandium::test {

class GuardedMemory {
public:
    // separate: a buffer for every region; otherwise all regions lie in one.
    GuardedMemory(Context* context, bool separate) : context_(context), separate_(separate) {}
    ~GuardedMemory();
    GuardedMemory(const GuardedMemory&) = delete;
    GuardedMemory& operator=(const GuardedMemory&) = delete;

    // Returns the number of a new region of `bytes` bytes; its offset in the buffer is a multiple of `alignment` and of no
    // larger power of two.
    size_t add(const std::string& name, uint64_t bytes, uint64_t alignment = 4);

    // The region's bytes on this side. Not to be kept across add().
    uint8_t* bytes(size_t region);

    // The plan may write these.
    void allow(size_t region, uint64_t offset, uint64_t count);
    void allow_all(size_t region) { allow(region, 0, regions_[region].size); }

    // Makes the buffers if need be and copies all bytes to them. Throws std::runtime_error on failure.
    void upload();
    void download();

    BufferView view(size_t region) const;

    // After download(): the first byte that changed and should not have, in words; empty if none did.
    std::string damage() const;

private:
    struct Block {
        Buffer* buffer = nullptr;
        std::vector<uint8_t> now, uploaded, writable;
    };
    struct Region {
        std::string name;
        size_t block = 0;
        uint64_t offset = 0, size = 0;
    };

    Context* context_;
    bool separate_;
    std::vector<Block> blocks_;
    std::vector<Region> regions_;
};

}  // namespace scandium::test
