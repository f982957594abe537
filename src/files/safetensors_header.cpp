#include "files/safetensors_header.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <limits>

#include "files/text.h"

namespace scandium {
namespace {

struct TypeName {
    ElementType type;
    const char* name;
    uint32_t bytes;
};

// In the order of ElementType.
constexpr TypeName kTypes[] = {
    {ElementType::boolean, "BOOL", 1},    {ElementType::u8, "U8", 1},   {ElementType::i8, "I8", 1},   {ElementType::f8_e4m3, "F8_E4M3", 1},
    {ElementType::f8_e5m2, "F8_E5M2", 1}, {ElementType::u16, "U16", 2}, {ElementType::i16, "I16", 2}, {ElementType::f16, "F16", 2},
    {ElementType::bf16, "BF16", 2},       {ElementType::u32, "U32", 4}, {ElementType::i32, "I32", 4}, {ElementType::f32, "F32", 4},
    {ElementType::u64, "U64", 8},         {ElementType::i64, "I64", 8}, {ElementType::f64, "F64", 8},
};

// Follows the events of the parser through the three levels that a header has. Anything else stops the parser at
// once, so that nesting costs nothing however deep it is.
class HeaderHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, HeaderHandler> {
public:
    SafetensorsHeader header;
    std::string problem;

    bool Default() { return refuse("a value of the wrong kind"); }
    bool Int(int) { return refuse("a negative number"); }
    bool Int64(int64_t) { return refuse("a negative number"); }
    bool Uint(unsigned value) { return Uint64(value); }

    bool Uint64(uint64_t value) {
        if (place_ == Place::shape) {
            if (entry_->shape.size() == kMaxSafetensorsRank) return refuse(format("more than %zu axes", kMaxSafetensorsRank));
            entry_->shape.push_back(value);
            return true;
        }
        if (place_ != Place::offsets) return Default();
        if (offset_count_ == 2) return refuse("data_offsets with more than two numbers");
        (offset_count_++ ? entry_->end : entry_->begin) = value;
        return true;
    }

    bool String(const char* text, rapidjson::SizeType length, bool) {
        const std::string_view value(text, length);
        if (place_ == Place::metadata) {
            header.metadata[key_] = value;
            return true;
        }
        if (place_ != Place::tensor || field_ != kDtype) return Default();
        for (const TypeName& type : kTypes) {
            if (value != type.name) continue;
            entry_->type = type.type;
            return true;
        }
        return refuse("unknown dtype " + in_quotes(value));
    }

    bool Key(const char* text, rapidjson::SizeType length, bool) {
        key_.assign(text, length);
        switch (place_) {
        case Place::root: return root_key();
        case Place::metadata: return header.metadata.emplace(key_, "").second || refuse("the key twice");
        case Place::tensor: return tensor_key();
        default: return Default();
        }
    }

    bool StartObject() {
        if (place_ == Place::before)
            place_ = Place::root;
        else if (place_ == Place::root)
            place_ = entry_ ? Place::tensor : Place::metadata;
        else
            return Default();
        return true;
    }

    bool EndObject(rapidjson::SizeType) {
        if (place_ == Place::tensor && seen_ != (kDtype | kShape | kOffsets)) return refuse("no dtype, shape or data_offsets");
        place_ = place_ == Place::root ? Place::after : Place::root;
        return true;
    }

    bool StartArray() {
        if (place_ != Place::tensor || field_ == kDtype) return Default();
        place_ = field_ == kShape ? Place::shape : Place::offsets;
        return true;
    }

    bool EndArray(rapidjson::SizeType) {
        if (place_ == Place::offsets && offset_count_ != 2) return refuse("data_offsets without two numbers");
        place_ = Place::tensor;
        return true;
    }

private:
    enum class Place { before, root, metadata, tensor, shape, offsets, after };
    enum Field : unsigned { kDtype = 1, kShape = 2, kOffsets = 4 };

    bool refuse(const std::string& what) {
        const bool inside = place_ != Place::before && place_ != Place::root;
        const std::string where = entry_ ? "tensor " + in_quotes(entry_->name) : inside ? "__metadata__" : "the header";
        problem = where + (inside && !entry_ ? " (" + in_quotes(key_) + ")" : "") + " has " + what;
        return false;
    }

    bool root_key() {
        entry_ = nullptr;
        if (key_ == "__metadata__") {
            if (has_metadata_) return refuse("__metadata__ twice");
            return has_metadata_ = true;
        }
        const auto [place, is_new] = header.entries.try_emplace(key_);
        if (!is_new) return refuse("tensor " + in_quotes(key_) + " twice");
        entry_ = &place->second;
        entry_->name = key_;
        seen_ = offset_count_ = 0;
        return true;
    }

    bool tensor_key() {
        if (key_ == "dtype")
            field_ = kDtype;
        else if (key_ == "shape")
            field_ = kShape;
        else if (key_ == "data_offsets")
            field_ = kOffsets;
        else
            return refuse("the unknown field " + in_quotes(key_));
        if (seen_ & field_) return refuse(key_ + " twice");
        seen_ |= field_;
        return true;
    }

    Place place_ = Place::before;
    Field field_ = kDtype;
    unsigned seen_ = 0, offset_count_ = 0;
    bool has_metadata_ = false;
    std::string key_;
    SafetensorsEntry* entry_ = nullptr;
};

bool multiply(uint64_t a, uint64_t b, uint64_t* product) {
    if (b && a > std::numeric_limits<uint64_t>::max() / b) return false;
    *product = a * b;
    return true;
}

// The number of elements, and that it agrees with the number of bytes.
void check_size(const std::string& path, SafetensorsEntry* entry) {
    const std::string what = path + ": tensor " + in_quotes(entry->name);
    uint64_t elements = 1, bytes = 0;
    for (uint64_t axis : entry->shape)
        if (!multiply(elements, axis, &elements)) throw FileError(what + " has a shape whose size overflows");
    if (!multiply(elements, bytes_of(entry->type), &bytes)) throw FileError(what + " has a shape whose size overflows");
    if (entry->end < entry->begin) throw FileError(what + " ends before it begins");
    if (bytes != entry->bytes())
        throw FileError(what + format(" has %llu bytes, but %s %s needs %llu", static_cast<unsigned long long>(entry->bytes()),
                                      name_of(entry->type), shape_text(entry->shape).c_str(), static_cast<unsigned long long>(bytes)));
    entry->elements = elements;
}

// Every byte of the data belongs to one tensor, whatever order the header lists them in.
void check_coverage(const std::string& path, const SafetensorsHeader& header, uint64_t data_bytes) {
    std::vector<const SafetensorsEntry*> order;
    for (const auto& [name, entry] : header.entries) order.push_back(&entry);
    std::sort(order.begin(), order.end(), [](const SafetensorsEntry* a, const SafetensorsEntry* b) {
        return a->begin != b->begin ? a->begin < b->begin : a->end < b->end;
    });
    uint64_t reached = 0;
    for (const SafetensorsEntry* entry : order) {
        const std::string what = path + ": tensor " + in_quotes(entry->name);
        const auto begin = static_cast<unsigned long long>(entry->begin), end = static_cast<unsigned long long>(entry->end);
        if (entry->end > data_bytes)
            throw FileError(what + format(" ends at byte %llu of the data, but the file has only %llu (truncated?)", end,
                                          static_cast<unsigned long long>(data_bytes)));
        if (entry->begin < reached) throw FileError(what + format(" begins at byte %llu, inside another tensor", begin));
        if (entry->begin > reached) throw FileError(what + format(" begins at byte %llu, after a gap", begin));
        reached = entry->end;
    }
    if (reached != data_bytes)
        throw FileError(path +
                        format(": %llu bytes after the last tensor belong to none", static_cast<unsigned long long>(data_bytes - reached)));
}

}  // namespace

const char* name_of(ElementType type) { return kTypes[static_cast<size_t>(type)].name; }
uint32_t bytes_of(ElementType type) { return kTypes[static_cast<size_t>(type)].bytes; }

SafetensorsHeader parse_safetensors_header(const std::string& path, std::string_view json, uint64_t data_bytes) {
    // The parser takes a zero byte for the end, and would not see what follows.
    if (json.find('\0') != std::string_view::npos) throw FileError(path + ": the header has a zero byte");
    rapidjson::MemoryStream stream(json.data(), json.size());
    rapidjson::Reader reader;
    HeaderHandler handler;
    constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
    const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, handler);
    if (!handler.problem.empty()) throw FileError(path + ": " + handler.problem);
    if (!result)
        throw FileError(path +
                        format(": the header is not JSON: %s (byte %zu)", rapidjson::GetParseError_En(result.Code()), result.Offset()));
    for (auto& [name, entry] : handler.header.entries) check_size(path, &entry);
    check_coverage(path, handler.header, data_bytes);
    return std::move(handler.header);
}

}  // namespace scandium
