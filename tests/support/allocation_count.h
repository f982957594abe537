// How often memory was asked for.
#pragma once

#include <volk.h>

#include <cstdint>
#include <map>
#include <mutex>

namespace scandium::test {

// Calls of malloc, calloc, realloc and operator new that this thread has made, by whatever library. False where they
// cannot be counted: under sanitizers, which count on their own, and without glibc.
bool can_count_allocations();
uint64_t allocation_count();

// A host's VkAllocationCallbacks, which remember what was given out.
class CountingAllocator {
public:
    CountingAllocator();
    CountingAllocator(const CountingAllocator&) = delete;
    CountingAllocator& operator=(const CountingAllocator&) = delete;

    const VkAllocationCallbacks* callbacks() const { return &callbacks_; }
    uint64_t total() const { return total_; }         // allocations so far
    uint64_t foreign() const { return foreign_; }     // given back, but never given out
    uint64_t live() const { return blocks_.size(); }  // given out and not yet back

private:
    struct Block {
        size_t size, alignment;
    };
    void* allocate(size_t size, size_t alignment);
    void* reallocate(void* block, size_t size, size_t alignment);
    void free(void* block);

    VkAllocationCallbacks callbacks_{};
    std::mutex mutex_;  // of what follows: drivers allocate from threads of their own
    std::map<void*, Block> blocks_;
    uint64_t total_ = 0, foreign_ = 0;
};

}  // namespace scandium::test
