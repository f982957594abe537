// A hash that tells bytes apart which a fault changed, not an attacker's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace scandium {

// Eight bytes at a time. For given bytes a step is a bijection of what came before, and for given bytes before one of its own,
// so that no change of a single word goes unnoticed.
inline uint64_t hash_bytes(const void* data, size_t size, uint64_t seed = 0) {
    constexpr uint64_t kOdd = 0x9e3779b97f4a7c15u;  // 2^64 over the golden ratio
    const unsigned char* bytes = static_cast<const unsigned char*>(data);
    uint64_t hash = seed ^ (uint64_t(size) * kOdd);
    for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
        uint64_t word = 0;
        const size_t left = size - done;
        std::memcpy(&word, bytes + done, left < sizeof word ? left : sizeof word);
        hash = (hash ^ word) * kOdd;
        hash ^= hash >> 32;
    }
    return hash;
}

}  // namespace scandium
