// The words that options may be.
#pragma once

#include <string>

#include "commands.h"
#include "files/text.h"
#include "scandium/ops/ssd_scan.h"

namespace scandium::program {

template <class T>
struct Word {
    const char* text;
    T value;
};

template <class T, size_t N>
T choose(const char* option, const std::string& text, const Word<T> (&words)[N]) {
    std::string all;
    for (const Word<T>& word : words) {
        if (text == word.text) return word.value;
        all += (all.empty() ? "" : ", ") + std::string(word.text);
    }
    throw UsageError(format("%s: %s is none of %s", option, in_quotes(text).c_str(), all.c_str()));
}

inline constexpr Word<Variant> kVariants[] = {
    {"scalar", Variant::scalar}, {"subgroup", Variant::subgroup}, {"coopmat", Variant::coopmat}, {"auto", Variant::automatic}};
inline constexpr Word<SsdAlgorithm> kAlgorithms[] = {{"auto", SsdAlgorithm::automatic},
                                                     {"chunked", SsdAlgorithm::chunked},
                                                     {"recurrent", SsdAlgorithm::recurrent},
                                                     {"fused", SsdAlgorithm::fused}};
inline constexpr Word<MemoryAccess> kAccesses[] = {
    {"auto", MemoryAccess::automatic}, {"address", MemoryAccess::address}, {"descriptor", MemoryAccess::descriptor}};
inline constexpr Word<DType> kFloatTypes[] = {{"f32", DType::f32}, {"f16", DType::f16}, {"bf16", DType::bf16}};

// 0 for "auto". Throws UsageError.
inline uint32_t read_chunk_size(const std::string& text) {
    uint64_t chunk_size = 0;
    if (text == "auto") return 0;
    if (!parse_number(text, &chunk_size) || chunk_size < 16 || chunk_size > 256 || chunk_size % 16 != 0)
        throw UsageError(format("--chunk-size: %s is neither auto nor a multiple of 16 from 16 to 256", in_quotes(text).c_str()));
    return static_cast<uint32_t>(chunk_size);
}

}  // namespace scandium::program
