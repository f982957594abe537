// Reads the safetensors files that lie in tests/reference: trusted ones, so it checks only what catches a mistake.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "scandium/types.h"

namespace scandium::test {

struct StoredTensor {
    DType dtype = DType::none;
    std::vector<uint64_t> shape;
    std::vector<uint8_t> bytes;

    uint64_t count() const;
    std::vector<double> values() const;     // of f32, f16 or bf16
    std::vector<int32_t> integers() const;  // of i32
};

struct StoredFile {
    std::map<std::string, StoredTensor> tensors;
    std::map<std::string, std::string> options;

    bool has(const std::string& name) const { return tensors.count(name) != 0; }
    const StoredTensor& at(const std::string& name) const { return tensors.at(name); }
    std::string option(const std::string& name, const std::string& otherwise) const;
};

// Throws std::runtime_error with the file's name.
StoredFile read_safetensors(const std::string& path);

}  // namespace scandium::test
