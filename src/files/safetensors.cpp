#include "files/safetensors.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "files/mapped_file.h"
#include "files/safetensors_header.h"
#include "files/text.h"

namespace scandium {
namespace {

constexpr uint64_t kPrefix = 8;  // bytes before the header: its length, lowest byte first

std::ifstream open(const std::string& path) {
    errno = 0;
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw FileError(path + ": cannot be opened: " + std::strerror(errno));
    return stream;
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
        throw FileError(path + format(": says that its header has %llu bytes; at most %llu are allowed (not a safetensors file?)",
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

}  // namespace scandium
