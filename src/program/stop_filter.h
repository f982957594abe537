// Ends a text before the first of some strings, however it is cut into parts.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace scandium::program {

class StopFilter {
public:
    explicit StopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}  // none of them empty

    // What is certain not to belong to a stop string. Nothing after one has come.
    std::string add(std::string_view text) {
        if (stopped_) return "";
        held_ += text;
        size_t first = held_.npos;
        for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
        stopped_ = first != held_.npos;
        return take(stopped_ ? first : held_.size() - longest_beginning());
    }
    // What was held back.
    std::string end() { return stopped_ ? "" : take(held_.size()); }
    bool has_stopped() const { return stopped_; }

private:
    // Of a stop string, at the end of what is held.
    size_t longest_beginning() const {
        size_t longest = 0;
        for (const std::string& stop : stops_)
            for (size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n)
                if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, n))) longest = n;
        return longest;
    }
    std::string take(size_t count) {
        std::string text = held_.substr(0, count);
        held_.erase(0, count);
        return text;
    }

    std::vector<std::string> stops_;
    std::string held_;
    bool stopped_ = false;
};

}  // namespace scandium::program
