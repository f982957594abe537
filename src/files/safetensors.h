// Reads and writes safetensors files: eight bytes with the length of a JSON header, the header (for each tensor its
// element type, shape and place, and text under "__metadata__"), then the tensors' bytes without gaps.
// Format: https://huggingface.co/docs/safetensors
//
// A file is not trusted: everything that its header says is checked against its size before anything is
// allocated, and what does not fit is a FileError.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace scandium {

// One sentence that begins with the file's path.
struct FileError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

enum class ElementType : uint8_t { boolean, u8, i8, f8_e4m3, f8_e5m2, u16, i16, f16, bf16, u32, i32, f32, u64, i64, f64 };

const char* name_of(ElementType type);  // as files spell it: "BF16"
uint32_t bytes_of(ElementType type);

inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;  // bytes; the limit of the format's own library
inline constexpr size_t kMaxSafetensorsRank = 32;

struct SafetensorsEntry {
    std::string name;
    ElementType type = ElementType::f32;
    std::vector<uint64_t> shape;  // empty: one element
    uint64_t begin = 0, end = 0;  // bytes, from the end of the header
    uint64_t elements = 0;        // product of the shape

    uint64_t bytes() const { return end - begin; }
};

using Metadata = std::map<std::string, std::string, std::less<>>;

class SafetensorsFile {
public:
    // Reads and checks the header. Throws FileError.
    explicit SafetensorsFile(const std::string& path);

    const std::string& path() const { return path_; }
    const Metadata& metadata() const { return metadata_; }
    const std::map<std::string, SafetensorsEntry, std::less<>>& entries() const { return entries_; }
    const SafetensorsEntry* find(std::string_view name) const;  // null if there is none

    uint64_t data_start() const { return data_start_; }  // bytes before the data, which an entry's place counts from

    // The bytes of one tensor. Throws FileError (the file was changed in between).
    std::vector<std::byte> read(const SafetensorsEntry& entry) const;

private:
    std::string path_;
    uint64_t data_start_ = 0;
    Metadata metadata_;
    std::map<std::string, SafetensorsEntry, std::less<>> entries_;
};

struct SafetensorsTensor {
    std::string name;
    ElementType type = ElementType::f32;
    std::vector<uint64_t> shape;
    std::span<const std::byte> data;
};

// Throws FileError if a file cannot be written there: what `path` names must be a regular file or nothing yet.
void check_writable(const std::string& path);

// Writes the whole file beside `path` and then renames it, so that `path` is never half written. Widest elements come
// first and the header is padded, so that every tensor is aligned to its elements. Throws FileError.
void write_safetensors(const std::string& path, std::span<const SafetensorsTensor> tensors, const Metadata& metadata);

}  // namespace scandium
