// A growable array that reports failure instead of throwing. Elements are trivially copyable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>

namespace scandium {

template <class T>
class Array {
    static_assert(std::is_trivially_copyable_v<T>, "Array moves its elements with memcpy");

public:
    Array() = default;
    ~Array() { std::free(data_); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;

    // False when memory ran out; the array is then as before.
    [[nodiscard]] bool push(const T& value) {
        const T copy = value;  // `value` may lie in this array
        if (size_ == capacity_ && !reserve(capacity_ ? capacity_ * 2 : 8)) return false;
        data_[size_++] = copy;
        return true;
    }

    [[nodiscard]] bool reserve(size_t capacity) {
        if (capacity <= capacity_) return true;
        void* grown = std::realloc(static_cast<void*>(data_), capacity * sizeof(T));
        if (!grown) return false;
        data_ = static_cast<T*>(grown);
        capacity_ = capacity;
        return true;
    }

    // New elements are copies of `value`.
    [[nodiscard]] bool resize(size_t size, const T& value = T()) {
        const T copy = value;
        if (!reserve(size)) return false;
        for (size_t i = size_; i < size; ++i) data_[i] = copy;
        size_ = size;
        return true;
    }

    [[nodiscard]] bool assign(const Array& other) {
        if (!reserve(other.size_)) return false;
        if (other.size_) std::memcpy(static_cast<void*>(data_), other.data_, other.size_ * sizeof(T));
        size_ = other.size_;
        return true;
    }

    size_t size() const { return size_; }
    T* data() { return data_; }
    const T* data() const { return data_; }
    T& operator[](size_t i) { return data_[i]; }
    const T& operator[](size_t i) const { return data_[i]; }
    T* begin() { return data_; }
    T* end() { return data_ + size_; }
    const T* begin() const { return data_; }
    const T* end() const { return data_ + size_; }
    T& back() { return data_[size_ - 1]; }

private:
    T* data_ = nullptr;
    size_t size_ = 0, capacity_ = 0;
};

}  // namespace scandium
