#include "safetensors.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "safetensors_header.h"
#include "text.h"

namespace scandium::program {
namespace {

constexpr uint64_t kPrefix = 8;  // bytes before the header: its length, lowest byte first

std::ifstream open(const std::string& path) {
    errno = 0;
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw FileError(path + ": cannot be opened: " + std::strerror(errno));
    return stream;
}

// Only regular files have a size to check against; opening a pipe would wait for its other end.
uint64_t size_of_file(const std::string& path) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) throw FileError(path + ": there is no such file");
    if (std::filesystem::is_directory(status)) throw FileError(path + ": is a directory");
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) throw FileError(path + ": is not a regular file");
    const uint64_t size = error ? 0 : std::filesystem::file_size(path, error);
    if (error) throw FileError(path + ": cannot be read: " + error.message());
    return size;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : path_(path) {
    const uint64_t size = size_of_file(path);
    if (size == 0) throw FileError(path + ": is empty");
    unsigned char prefix[kPrefix + 1];
    std::ifstream stream = open(path);
    if (!stream.read(reinterpret_cast<char*>(prefix), sizeof prefix)) throw FileError(path + ": is too short for a safetensors file");
    uint64_t length = 0;
    for (uint64_t i = kPrefix; i-- > 0;) length = length << 8 | prefix[i];
    if (length > kMaxSafetensorsHeader)
        throw FileError(path + format(": says that its header has %llu bytes; at most %llu are allowed",
                                      static_cast<unsigned long long>(length), static_cast<unsigned long long>(kMaxSafetensorsHeader)));
    if (length > size - kPrefix)
        throw FileError(path + format(": says that its header has %llu bytes, but only %llu follow (truncated?)",
                                      static_cast<unsigned long long>(length), static_cast<unsigned long long>(size - kPrefix)));
    if (length == 0 || prefix[kPrefix] != '{') throw FileError(path + ": has no header that begins with '{' (not a safetensors file?)");
    std::string json(length, '\0');
    stream.seekg(kPrefix);
    if (!stream.read(json.data(), static_cast<std::streamsize>(length))) throw FileError(path + ": the header cannot be read");
    data_start_ = kPrefix + length;
    SafetensorsHeader header = parse_safetensors_header(path, json, size - data_start_);
    metadata_ = std::move(header.metadata);
    entries_ = std::move(header.entries);
}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const {
    const auto place = entries_.find(name);
    return place == entries_.end() ? nullptr : &place->second;
}

std::vector<std::byte> SafetensorsFile::read(const SafetensorsEntry& entry) const {
    std::ifstream stream = open(path_);
    std::vector<std::byte> data(entry.bytes());
    stream.seekg(static_cast<std::streamoff>(data_start_ + entry.begin));
    if (!stream.read(reinterpret_cast<char*>(data.data()), static_cast<std::streamsize>(data.size())))
        throw FileError(path_ + ": tensor " + in_quotes(entry.name) + " cannot be read");
    return data;
}

}  // namespace scandium::program
