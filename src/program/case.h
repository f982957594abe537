// A case: a safetensors file whose metadata names an operator and its options, as text.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "files/safetensors.h"
#include "scandium/types.h"

namespace scandium::program {

class Case {
public:
    // Throws FileError, as every member below does for an option that is not what it should be.
    explicit Case(const std::string& path);

    const SafetensorsFile& file() const { return file_; }
    const std::string& op() const { return op_; }

    bool flag(std::string_view key, bool otherwise) const;             // 0 or 1
    double real(std::string_view key, double otherwise) const;         // not negative, not NaN
    uint64_t integer(std::string_view key, uint64_t otherwise) const;  // not negative
    DType dtype(std::string_view key, DType otherwise) const;          // f32, f16 or bf16
    struct Limits {
        float min, max;
    };
    Limits dt_limits() const;  // dt_min and dt_max, as far as the case has them
    // One of `allowed`.
    std::string choice(std::string_view key, std::initializer_list<const char*> allowed, const char* otherwise) const;
    // Once all options have been asked for: one that nobody asked for is likely a misspelt one.
    void refuse_unknown_options() const;

#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    [[noreturn]] void
    fail(const char* pattern, ...) const;

private:
    const std::string* option(std::string_view key) const;

    SafetensorsFile file_;
    mutable std::set<std::string, std::less<>> asked_;
    std::string op_;
};

// The library's name for an element type of a file; DType::none if it has none.
DType dtype_of(ElementType type);
ElementType element_type_of(DType dtype);

}  // namespace scandium::program
