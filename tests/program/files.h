// Files that tests make: in a folder that goes with them, from tensors, or byte by byte.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "files/safetensors.h"

namespace scandium::program {

class TempFolder {
public:
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    std::string path(const std::string& name) const { return (folder_ / name).string(); }
    size_t file_count() const;

private:
    std::filesystem::path folder_;
};

void write_bytes(const std::string& path, const std::string& bytes);
std::string read_bytes(const std::string& path);

// A safetensors file as its parts say, right or wrong: the length, the header, and that many data bytes.
std::string raw_file(const std::string& header, size_t data_bytes);
std::string raw_file(const std::string& header, size_t data_bytes, uint64_t claimed_length);

std::string reference_case(const std::string& name);  // the path

// A case to change and save.
struct EditableCase {
    struct Tensor {
        ElementType type;
        std::vector<uint64_t> shape;
        std::vector<std::byte> data;

        template <class T>
        void set(size_t index, T value);
        template <class T>
        T get(size_t index) const;
    };
    std::map<std::string, Tensor> tensors;
    Metadata metadata;

    explicit EditableCase(const std::string& path);
    void save(const std::string& path) const;
};

template <class T>
void EditableCase::Tensor::set(size_t index, T value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    std::copy(bytes.begin(), bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(index * sizeof(T)));
}

template <class T>
T EditableCase::Tensor::get(size_t index) const {
    T value;
    const auto first = data.begin() + static_cast<std::ptrdiff_t>(index * sizeof(T));
    std::copy(first, first + sizeof(T), std::as_writable_bytes(std::span(&value, 1)).begin());
    return value;
}

}  // namespace scandium::program
