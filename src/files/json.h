// JSON files that people write or download: read with limits, and looked at through views that know where they are, so that
// what is wrong is said with the file, the key, what was found and what was expected.
#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "files/safetensors.h"

namespace scandium {

// A value in a JSON file. Members throw FileError. Valid as long as its JsonFile.
class JsonView {
public:
    JsonView(const std::string* path, std::string where, const rapidjson::Value* value)
        : path_(path), where_(std::move(where)), value_(value) {}

    const rapidjson::Value& value() const { return *value_; }
    const std::string& file() const { return *path_; }
    bool is_null() const { return value_->IsNull(); }
    bool is_string() const { return value_->IsString(); }
    bool is_array() const { return value_->IsArray(); }
    bool is_object() const { return value_->IsObject(); }

    // Members of an object; a member that is null counts as absent, as Python's None in the libraries that write such files.
    bool has(const char* key) const;
    JsonView at(const char* key) const;  // fails if it is absent

    std::vector<JsonView> items() const;  // of an array
    void expect_object() const;           // whose keys are all different

    bool boolean() const;
    std::string_view text() const;
    int64_t integer(int64_t least, int64_t most) const;
    // Also infinity, bare or as {"__float__": "Infinity"}; never NaN.
    double number() const;

    // "FILE: KEY is FOUND, but EXPECTED is expected".
    [[noreturn]] void fail_expected(const std::string& expected) const;
    // "FILE: KEY PROBLEM".
    [[noreturn]] void fail(const std::string& problem) const;

private:
    const rapidjson::Value* find(const char* key) const;

    const std::string* path_;
    std::string where_;  // "ssm_cfg.d_state", or empty for the whole file
    const rapidjson::Value* value_;
};

class JsonFile {
public:
    // Throws FileError if there is no such file, it has more than `most_bytes`, or it is not JSON. Takes the bare words
    // Infinity and NaN, which Python writes.
    JsonFile(const std::string& path, uint64_t most_bytes);

    const std::string& path() const { return path_; }
    JsonView root() const { return JsonView(&path_, "", &document_); }

private:
    std::string path_;
    rapidjson::Document document_;
};

}  // namespace scandium
