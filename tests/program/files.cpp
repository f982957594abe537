#include "files.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>

namespace scandium::program {

TempFolder::TempFolder() {
    std::random_device random;
    folder_ = std::filesystem::temp_directory_path() / ("scandium-test-" + std::to_string(random()) + std::to_string(random()));
    std::filesystem::create_directories(folder_);
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

size_t TempFolder::file_count() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()));
}

void write_bytes(const std::string& path, const std::string& bytes) {
    std::ofstream stream(path, std::ios::binary);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string read_bytes(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
}

std::string raw_file(const std::string& header, size_t data_bytes) { return raw_file(header, data_bytes, header.size()); }

std::string raw_file(const std::string& header, size_t data_bytes, uint64_t claimed_length) {
    std::string bytes;
    for (unsigned i = 0; i < 8; ++i) bytes += static_cast<char>(claimed_length >> (8 * i) & 255);
    return bytes + header + std::string(data_bytes, '\x7a');
}

std::string reference_case(const std::string& name) { return std::string(REFERENCE_CASES) + "/" + name + ".safetensors"; }

EditableCase::EditableCase(const std::string& path) {
    const SafetensorsFile file(path);
    metadata = file.metadata();
    for (const auto& [name, entry] : file.entries()) tensors[name] = {entry.type, entry.shape, file.read(entry)};
}

void EditableCase::save(const std::string& path) const {
    std::vector<SafetensorsTensor> list;
    for (const auto& [name, tensor] : tensors) list.push_back({name, tensor.type, tensor.shape, tensor.data});
    write_safetensors(path, list, metadata);
}

}  // namespace scandium::program
