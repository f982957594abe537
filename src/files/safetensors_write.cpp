#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>

#include "files/safetensors.h"
#include "files/text.h"

namespace scandium {
namespace {

using Order = std::vector<const SafetensorsTensor*>;

Order order_for_alignment(std::span<const SafetensorsTensor> tensors) {
    Order order;
    for (const SafetensorsTensor& tensor : tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(), [](const SafetensorsTensor* a, const SafetensorsTensor* b) {
        return bytes_of(a->type) != bytes_of(b->type) ? bytes_of(a->type) > bytes_of(b->type) : a->name < b->name;
    });
    return order;
}

void check_tensors(const std::string& path, const Order& order) {
    for (size_t i = 0; i < order.size(); ++i) {
        uint64_t bytes = bytes_of(order[i]->type);
        for (uint64_t axis : order[i]->shape) bytes *= axis;
        if (bytes != order[i]->data.size())
            throw FileError(path + ": tensor " + in_quotes(order[i]->name) + " has data that its shape does not fit");
        if (order[i]->name == "__metadata__") throw FileError(path + ": a tensor cannot be called '__metadata__'");
        for (size_t k = 0; k < i; ++k)
            if (order[k]->name == order[i]->name) throw FileError(path + ": two tensors are called " + in_quotes(order[i]->name));
    }
}

void write_text(rapidjson::Writer<rapidjson::StringBuffer>& json, std::string_view text) {
    json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

std::string make_header(const Order& order, const Metadata& metadata) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
    json.StartObject();
    if (!metadata.empty()) {
        json.Key("__metadata__");
        json.StartObject();
        for (const auto& [key, value] : metadata) {
            write_text(json, key);
            write_text(json, value);
        }
        json.EndObject();
    }
    uint64_t offset = 0;
    for (const SafetensorsTensor* tensor : order) {
        write_text(json, tensor->name);
        json.StartObject();
        json.Key("dtype");
        json.String(name_of(tensor->type));
        json.Key("shape");
        json.StartArray();
        for (uint64_t axis : tensor->shape) json.Uint64(axis);
        json.EndArray();
        json.Key("data_offsets");
        json.StartArray();
        json.Uint64(offset);
        json.Uint64(offset += tensor->data.size());
        json.EndArray();
        json.EndObject();
    }
    json.EndObject();
    std::string header(buffer.GetString(), buffer.GetSize());
    header.resize((header.size() + 7) / 8 * 8, ' ');
    return header;
}

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

bool write_all(std::FILE* file, const void* data, size_t size) { return size == 0 || std::fwrite(data, 1, size, file) == size; }

void write_contents(const std::string& path, const std::string& part, const std::string& header, const Order& order) {
    errno = 0;
    std::unique_ptr<std::FILE, CloseFile> file(std::fopen(part.c_str(), "wbx"));
    if (!file) throw FileError(path + ": cannot be written: " + std::strerror(errno));
    unsigned char prefix[8];
    for (size_t i = 0; i < 8; ++i) prefix[i] = static_cast<unsigned char>(static_cast<uint64_t>(header.size()) >> (8 * i));
    bool fine = write_all(file.get(), prefix, sizeof prefix) && write_all(file.get(), header.data(), header.size());
    for (const SafetensorsTensor* tensor : order) fine = fine && write_all(file.get(), tensor->data.data(), tensor->data.size());
    fine = std::fclose(file.release()) == 0 && fine;
    if (!fine) throw FileError(path + ": cannot be written: " + std::strerror(errno));
}

}  // namespace

void check_writable(const std::string& path) {
    std::error_code error;
    const std::filesystem::path target(path);
    const std::filesystem::file_status status = std::filesystem::status(target, error);
    if (std::filesystem::is_directory(status)) throw FileError(path + ": is a directory");
    // Renaming over a device or a pipe would replace it.
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) throw FileError(path + ": is not a regular file");
    const std::filesystem::path folder = target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
    if (!target.has_filename() || !std::filesystem::is_directory(folder, error)) throw FileError(path + ": there is no such folder");
}

void write_safetensors(const std::string& path, std::span<const SafetensorsTensor> tensors, const Metadata& metadata) {
    check_writable(path);
    const Order order = order_for_alignment(tensors);
    check_tensors(path, order);
    const std::string part = path + format(".%08x.part", std::random_device()());
    std::error_code error;
    try {
        write_contents(path, part, make_header(order, metadata), order);
    } catch (const FileError&) {
        std::filesystem::remove(part, error);
        throw;
    }
    std::filesystem::rename(part, path, error);
    if (!error) return;
    const std::string why = error.message();
    std::filesystem::remove(part, error);
    throw FileError(path + ": cannot be written: " + why);
}

}  // namespace scandium
