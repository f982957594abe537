#include "support/safetensors.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "support/float16.h"

namespace scandium::test {
namespace {

// The part of JSON that a safetensors header uses: objects, arrays of whole numbers, strings without escapes.
class Header {
public:
    explicit Header(const std::string& text) : at_(text.data()), end_(text.data() + text.size()) {}

    bool next_is(char c) { return peek() == c; }
    void expect(char c) {
        if (peek() != c) throw std::runtime_error(std::string("header: expected ") + c);
        ++at_;
    }
    // True while members follow; eats the commas and the closing bracket.
    bool more(char closing) {
        if (next_is(',')) expect(',');
        if (!next_is(closing)) return true;
        expect(closing);
        return false;
    }
    std::string string() {
        expect('"');
        std::string text;
        while (at_ < end_ && *at_ != '"') text += *at_++;
        expect('"');
        return text;
    }
    uint64_t number() {
        if (peek() < '0' || peek() > '9') throw std::runtime_error("header: expected a number");
        uint64_t value = 0;
        for (; at_ < end_ && *at_ >= '0' && *at_ <= '9'; ++at_) value = value * 10 + uint64_t(*at_ - '0');
        return value;
    }
    std::vector<uint64_t> numbers() {
        std::vector<uint64_t> values;
        for (expect('['); more(']');) values.push_back(number());
        return values;
    }

private:
    char peek() {
        while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t')) ++at_;
        return at_ < end_ ? *at_ : '\0';
    }

    const char* at_;
    const char* end_;
};

DType dtype_of(const std::string& name) {
    if (name == "F32") return DType::f32;
    if (name == "F16") return DType::f16;
    if (name == "BF16") return DType::bf16;
    if (name == "I32") return DType::i32;
    throw std::runtime_error("dtype " + name);
}

StoredTensor read_tensor(Header& header, const std::string& data) {
    StoredTensor tensor;
    std::vector<uint64_t> offsets;
    header.expect('{');
    while (header.more('}')) {
        const std::string key = header.string();
        header.expect(':');
        if (key == "dtype")
            tensor.dtype = dtype_of(header.string());
        else if (key == "shape")
            tensor.shape = header.numbers();
        else if (key == "data_offsets")
            offsets = header.numbers();
        else
            throw std::runtime_error("header: key " + key);
    }
    if (offsets.size() != 2 || offsets[1] > data.size() || offsets[1] - offsets[0] != tensor.count() * size_of(tensor.dtype))
        throw std::runtime_error("data_offsets");
    tensor.bytes.assign(data.begin() + ptrdiff_t(offsets[0]), data.begin() + ptrdiff_t(offsets[1]));
    return tensor;
}

StoredFile parse(const std::string& file) {
    uint64_t size = 0;
    if (file.size() < 8) throw std::runtime_error("too short");
    std::memcpy(&size, file.data(), 8);
    if (size > file.size() - 8) throw std::runtime_error("header size");
    const std::string text = file.substr(8, size), data = file.substr(8 + size);
    Header header(text);
    StoredFile out;
    header.expect('{');
    while (header.more('}')) {
        const std::string name = header.string();
        header.expect(':');
        if (name != "__metadata__") {
            out.tensors[name] = read_tensor(header, data);
            continue;
        }
        header.expect('{');
        while (header.more('}')) {
            const std::string key = header.string();
            header.expect(':');
            out.options[key] = header.string();
        }
    }
    return out;
}

}  // namespace

uint64_t StoredTensor::count() const {
    uint64_t product = 1;
    for (uint64_t size : shape) product *= size;
    return product;
}

std::vector<double> StoredTensor::values() const {
    std::vector<double> out(count());
    for (size_t i = 0; i < out.size(); ++i) {
        uint16_t half = 0;
        float whole = 0;
        if (dtype == DType::f32)
            std::memcpy(&whole, &bytes[i * 4], 4);
        else
            std::memcpy(&half, &bytes[i * 2], 2);
        if (dtype == DType::f16) whole = from_f16(half);
        if (dtype == DType::bf16) whole = from_bf16(half);
        out[i] = double(whole);
    }
    return out;
}

std::vector<int32_t> StoredTensor::integers() const {
    std::vector<int32_t> out(count());
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
}

std::string StoredFile::option(const std::string& name, const std::string& otherwise) const {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
}

StoredFile read_safetensors(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    if (!stream) throw std::runtime_error(path + ": cannot open");
    const std::string file{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    try {
        return parse(file);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(path + ": " + error.what());
    }
}

}  // namespace scandium::test
