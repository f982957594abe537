// JSON for programs that read what this one found.
#pragma once

#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

#include <cmath>
#include <string>

#include "files/utf8.h"
#include "scandium/device.h"

namespace scandium::program {

// A JSON document under construction; every member function writes one named value of the object that is open.
class Json {
public:
    Json() { writer_.StartObject(); }

    void text(const char* key, const std::string& value) {
        const std::string encoded = as_utf8(value);
        writer_.Key(key);
        writer_.String(encoded.data(), static_cast<rapidjson::SizeType>(encoded.size()));
    }
    void number(const char* key, uint64_t value) {
        writer_.Key(key);
        writer_.Uint64(value);
    }
    // JSON has no infinity and no NaN; unknown is null as well.
    void real(const char* key, double value, bool known = true) {
        writer_.Key(key);
        if (known && std::isfinite(value))
            writer_.Double(value);
        else
            writer_.Null();
    }
    void flag(const char* key, bool value) {
        writer_.Key(key);
        writer_.Bool(value);
    }
    template <class T>
    void numbers(const char* key, const T& values) {
        writer_.Key(key);
        writer_.SetFormatOptions(rapidjson::kFormatSingleLineArray);
        writer_.StartArray();
        for (uint64_t value : values) writer_.Uint64(value);
        writer_.EndArray();
        writer_.SetFormatOptions(rapidjson::kFormatDefault);
    }
    template <class F>
    void object(const char* key, F fill) {
        writer_.Key(key);
        writer_.StartObject();
        fill();
        writer_.EndObject();
    }
    template <class T, class F>
    void objects(const char* key, const T& values, F fill) {
        writer_.Key(key);
        writer_.StartArray();
        for (const auto& value : values) {
            writer_.StartObject();
            fill(value);
            writer_.EndObject();
        }
        writer_.EndArray();
    }
    std::string finish() {
        writer_.EndObject();
        return std::string(buffer_.GetString(), buffer_.GetSize()) + "\n";
    }

private:
    rapidjson::StringBuffer buffer_;
    rapidjson::PrettyWriter<rapidjson::StringBuffer> writer_{buffer_};
};

// The device and its driver, as members of the object that is open.
void write_identity(Json& json, const Caps& caps);

}  // namespace scandium::program
