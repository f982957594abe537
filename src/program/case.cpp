#include "case.h"

#include <limits>

#include <cstdarg>
#include <cstdio>

#include "files/text.h"

namespace scandium::program {
namespace {

struct TypePair {
    DType dtype;
    ElementType element;
};

constexpr TypePair kTypePairs[] = {
    {DType::f32, ElementType::f32},
    {DType::f16, ElementType::f16},
    {DType::bf16, ElementType::bf16},
    {DType::i32, ElementType::i32},
};

}  // namespace

Case::Case(const std::string& path) : file_(path) {
    const std::string* op = option("op");
    if (!op) fail("__metadata__ has no 'op'");
    op_ = *op;
}

const std::string* Case::option(std::string_view key) const {
    asked_.emplace(key);
    const auto place = file_.metadata().find(key);
    return place == file_.metadata().end() ? nullptr : &place->second;
}

bool Case::flag(std::string_view key, bool otherwise) const {
    const std::string* text = option(key);
    if (!text) return otherwise;
    if (*text == "0" || *text == "1") return *text == "1";
    fail("option %s is %s; it must be 0 or 1", std::string(key).c_str(), in_quotes(*text).c_str());
}

double Case::real(std::string_view key, double otherwise) const {
    const std::string* text = option(key);
    double value = otherwise;
    if (text && !parse_number(*text, &value))
        fail("option %s is %s; it must be a number of at least 0", std::string(key).c_str(), in_quotes(*text).c_str());
    return value;
}

Case::Limits Case::dt_limits() const {
    const double least = real("dt_min", 0), most = real("dt_max", std::numeric_limits<double>::infinity());
    if (least > most) fail("option dt_min is %g, which is more than dt_max, %g", least, most);
    return {static_cast<float>(least), static_cast<float>(most)};
}

uint64_t Case::integer(std::string_view key, uint64_t otherwise) const {
    const std::string* text = option(key);
    uint64_t value = otherwise;
    if (text && !parse_number(*text, &value))
        fail("option %s is %s; it must be a whole number", std::string(key).c_str(), in_quotes(*text).c_str());
    return value;
}

DType Case::dtype(std::string_view key, DType otherwise) const {
    const std::string* text = option(key);
    if (!text) return otherwise;
    for (DType dtype : {DType::f32, DType::f16, DType::bf16})
        if (*text == to_string(dtype)) return dtype;
    fail("option %s is %s; it must be f32, f16 or bf16", std::string(key).c_str(), in_quotes(*text).c_str());
}

std::string Case::choice(std::string_view key, std::initializer_list<const char*> allowed, const char* otherwise) const {
    const std::string* text = option(key);
    if (!text) return otherwise;
    std::string names;
    for (const char* name : allowed) {
        if (*text == name) return name;
        names += (names.empty() ? "" : " or ") + std::string(name);
    }
    fail("option %s is %s; it must be %s", std::string(key).c_str(), in_quotes(*text).c_str(), names.c_str());
}

void Case::refuse_unknown_options() const {
    // Not every operator has outputs of both types; and programs that write safetensors like to add a "format".
    for (const char* key : {"io_dtype", "state_dtype", "format"}) asked_.emplace(key);
    for (const auto& [key, value] : file_.metadata())
        if (asked_.count(key) == 0) fail("op %s has no option %s", op_.c_str(), in_quotes(key).c_str());
}

void Case::fail(const char* pattern, ...) const {
    char text[1024];
    va_list arguments;
    va_start(arguments, pattern);
    std::vsnprintf(text, sizeof text, pattern, arguments);
    va_end(arguments);
    throw FileError(file_.path() + ": " + text);
}

DType dtype_of(ElementType type) {
    for (const TypePair& pair : kTypePairs)
        if (pair.element == type) return pair.dtype;
    return DType::none;
}

ElementType element_type_of(DType dtype) {
    for (const TypePair& pair : kTypePairs)
        if (pair.dtype == dtype) return pair.element;
    return ElementType::u8;
}

}  // namespace scandium::program
