#include "support/allocation_count.h"

#include <algorithm>
#include <cstring>
#include <new>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNT_ALLOCATIONS 1
#else
#define COUNT_ALLOCATIONS 0
#endif

#if COUNT_ALLOCATIONS
namespace {
thread_local uint64_t calls = 0;
}

// glibc's own, which these stand in front of. operator new calls malloc.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);

void* malloc(size_t size) noexcept {
    ++calls;
    return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) noexcept {
    ++calls;
    return __libc_calloc(count, size);
}
void* realloc(void* block, size_t size) noexcept {
    ++calls;
    return __libc_realloc(block, size);
}
}
#endif

namespace scandium::test {

bool can_count_allocations() { return COUNT_ALLOCATIONS != 0; }

uint64_t allocation_count() {
#if COUNT_ALLOCATIONS
    return calls;
#else
    return 0;
#endif
}

CountingAllocator::CountingAllocator() {
    callbacks_.pUserData = this;
    callbacks_.pfnAllocation = [](void* user, size_t size, size_t alignment, VkSystemAllocationScope) {
        return static_cast<CountingAllocator*>(user)->allocate(size, alignment);
    };
    callbacks_.pfnReallocation = [](void* user, void* block, size_t size, size_t alignment, VkSystemAllocationScope) {
        return static_cast<CountingAllocator*>(user)->reallocate(block, size, alignment);
    };
    callbacks_.pfnFree = [](void* user, void* block) { static_cast<CountingAllocator*>(user)->free(block); };
}

void* CountingAllocator::allocate(size_t size, size_t alignment) {
    if (size == 0) return nullptr;
    void* block = ::operator new(size, std::align_val_t(alignment), std::nothrow);
    const std::lock_guard<std::mutex> lock(mutex_);
    ++total_;
    if (block) blocks_[block] = {size, alignment};
    return block;
}

void* CountingAllocator::reallocate(void* block, size_t size, size_t alignment) {
    size_t kept = 0;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = blocks_.find(block);
        if (found != blocks_.end()) kept = std::min(size, found->second.size);
    }
    void* grown = allocate(size, alignment);
    if (grown && kept) std::memcpy(grown, block, kept);
    if (grown || size == 0) free(block);
    return grown;
}

void CountingAllocator::free(void* block) {
    if (!block) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = blocks_.find(block);
    if (found == blocks_.end()) {
        ++foreign_;
        return;
    }
    ::operator delete(block, std::align_val_t(found->second.alignment));
    blocks_.erase(found);
}

}  // namespace scandium::test
