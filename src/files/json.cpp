#include "files/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>

#include <cmath>
#include <limits>
#include <set>

#include "files/mapped_file.h"
#include "files/text.h"

namespace scandium {
namespace {

// Containers by their kind alone: they may be nested deeper than a recursive printer could follow.
std::string found_text(const rapidjson::Value& value) {
    if (value.IsNull()) return "null";
    if (value.IsBool()) return value.GetBool() ? "true" : "false";
    if (value.IsString()) return in_quotes({value.GetString(), value.GetStringLength()});
    if (value.IsUint64()) return std::to_string(value.GetUint64());
    if (value.IsInt64()) return std::to_string(value.GetInt64());
    if (value.IsNumber()) return format("%g", value.GetDouble());
    if (value.IsArray()) return format("a list of %u", unsigned(value.Size()));
    return "an object";
}

}  // namespace

const rapidjson::Value* JsonView::find(const char* key) const {
    if (!value_->IsObject()) fail_expected("an object");
    const auto member = value_->FindMember(key);
    return member == value_->MemberEnd() || member->value.IsNull() ? nullptr : &member->value;
}

bool JsonView::has(const char* key) const { return find(key) != nullptr; }

JsonView JsonView::at(const char* key) const {
    const rapidjson::Value* member = find(key);
    const std::string where = where_.empty() ? key : where_ + "." + key;
    if (!member) throw FileError(*path_ + ": " + in_quotes(where) + " is missing");
    return JsonView(path_, where, member);
}

std::vector<JsonView> JsonView::items() const {
    if (!value_->IsArray()) fail_expected("a list");
    std::vector<JsonView> items;
    for (rapidjson::SizeType i = 0; i < value_->Size(); ++i) items.emplace_back(path_, where_ + format("[%u]", unsigned(i)), &(*value_)[i]);
    return items;
}

void JsonView::expect_object() const {
    if (!value_->IsObject()) fail_expected("an object");
    std::set<std::string_view> keys;
    for (const auto& member : value_->GetObject()) {
        const std::string_view key(member.name.GetString(), member.name.GetStringLength());
        if (!keys.insert(key).second) fail("has the key " + in_quotes(key) + " twice");
    }
}

bool JsonView::boolean() const {
    if (!value_->IsBool()) fail_expected("true or false");
    return value_->GetBool();
}

std::string_view JsonView::text() const {
    if (!value_->IsString()) fail_expected("text");
    return {value_->GetString(), value_->GetStringLength()};
}

int64_t JsonView::integer(int64_t least, int64_t most) const {
    const bool whole = value_->IsInt64() && value_->GetInt64() >= least && value_->GetInt64() <= most;
    if (!whole) fail_expected(format("a whole number from %lld to %lld", static_cast<long long>(least), static_cast<long long>(most)));
    return value_->GetInt64();
}

double JsonView::number() const {
    if (value_->IsNumber() && !std::isnan(value_->GetDouble())) return value_->GetDouble();
    if (value_->IsObject() && value_->MemberCount() == 1 && has("__float__")) {
        const std::string_view word = at("__float__").text();
        if (word == "Infinity") return std::numeric_limits<double>::infinity();
        if (word == "-Infinity") return -std::numeric_limits<double>::infinity();
        at("__float__").fail_expected("'Infinity' or '-Infinity'");
    }
    fail_expected("a number");
}

void JsonView::fail_expected(const std::string& expected) const {
    fail("is " + found_text(*value_) + ", but " + expected + " is expected");
}

void JsonView::fail(const std::string& problem) const {
    throw FileError(*path_ + ": " + (where_.empty() ? "the file" : in_quotes(where_)) + " " + problem);
}

JsonFile::JsonFile(const std::string& path, uint64_t most_bytes) : path_(path) {
    const uint64_t size = size_of_file(path);
    if (size > most_bytes)
        throw FileError(path + format(": has %llu bytes; at most %llu are allowed", static_cast<unsigned long long>(size),
                                      static_cast<unsigned long long>(most_bytes)));
    const MappedFile file(path);
    const auto* text = reinterpret_cast<const char*>(file.bytes().data());
    // The parser takes a zero byte for the end, and would not see what follows.
    if (std::string_view(text, file.bytes().size()).find('\0') != std::string_view::npos) throw FileError(path + ": has a zero byte");
    rapidjson::MemoryStream stream(text, file.bytes().size());
    // Not recursive, so that nesting costs no stack.
    constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNanAndInfFlag |
                                rapidjson::kParseFullPrecisionFlag;
    document_.ParseStream<kFlags, rapidjson::UTF8<>>(stream);
    if (document_.HasParseError())
        throw FileError(path + format(": is not JSON: %s (byte %zu)", rapidjson::GetParseError_En(document_.GetParseError()),
                                      document_.GetErrorOffset()));
    if (!document_.IsObject()) root().fail_expected("an object");
}

}  // namespace scandium
