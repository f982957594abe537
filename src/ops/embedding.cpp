// embedding: gathers rows; a table beyond what can be bound is gone through in parts.
#include "scandium/ops/embedding.h"

#include <cstdio>

#include "ops/check.h"
#include "ops/choose.h"
#include "ops/rows.h"
#include "shared/elementwise.h"

namespace scandium {
namespace {

constexpr const char* kName = "embedding";

class EmbeddingBuilder {
public:
    EmbeddingBuilder(Graph* graph, const Embedding& op) : graph_(*graph), op_(op), check_(*graph, kName) {}

    Result run() {
        if (Result r = check_arguments(); r != Result::ok) return r;
        choose_tiling();
        if (Result r = choose_entries(); r != Result::ok) return r;
        const uint32_t leading = check_.tensor(op_.ids).rank;
        const View views[] = {with_batch(graph_.view(op_.out), leading), with_batch(graph_.view(op_.ids), leading)};
        const bool rows_are_tokens = leading == 2 && check_.tensor(op_.ids).shape[1] != 1;
        RowPart largest;
        if (Result r = choose_row_part(graph_, kName, views, rows_, &largest); r != Result::ok) return r;
        for (uint64_t first = 0; first < table_.shape[0]; first += entries_) {
            const auto append = [&](const RowPart& part) {
                Dispatch d = dispatch_of(first);
                d.argument(EMBEDDING_IDS, part.of(views[1]), Access::read);
                d.argument(EMBEDDING_OUT, part.of(views[0]), Access::write);
                cover_rows(part, rows_, rows_are_tokens, &d);
                return graph_.append(d);
            };
            if (Result r = for_each_row_part(largest, views[0].shape[0], views[0].shape[1], append); r != Result::ok) return r;
        }
        return Result::ok;
    }

private:
    Result check_arguments() {
        if (Result r = check_.exists("ids", op_.ids, true, 0); r != Result::ok) return r;
        if (Result r = check_.exists("table", op_.table, true, 2); r != Result::ok) return r;
        const Tensor& ids = check_.tensor(op_.ids);
        const Tensor& table = check_.tensor(op_.table);
        if (ids.rank != 1 && ids.rank != 2) return check_.fail("ids has rank %u, not 1 or 2", ids.rank);
        if (Result r = check_.in_range("vocab", table.shape[0], 1u << 30); r != Result::ok) return r;
        if (Result r = check_.in_range("dim", table.shape[1], 1u << 20); r != Result::ok) return r;
        const Expected expected[] = {
            {"ids", op_.ids, kInt32, true, false, ids.rank, {ids.shape[0], ids.shape[1]}},
            {"table", op_.table, kFloats, true, false, 2, {table.shape[0], table.shape[1]}},
            {"out",
             op_.out,
             kFloats,
             true,
             true,
             ids.rank + 1,
             {ids.shape[0], ids.rank == 1 ? table.shape[1] : ids.shape[1], table.shape[1]}},
        };
        table_ = graph_.view(op_.table);
        if (Result r = check_.all_match(expected); r != Result::ok) return r;
        const View out = graph_.view(op_.out);
        words_by_address_ =
            graph_.access == MemoryAccess::address && table_.dtype == out.dtype && is_rows_of_words(table_) && is_rows_of_words(out);
        return Result::ok;
    }

    void choose_tiling() {
        words_ = words_by_address_ ? words_subgroup(graph_.caps()) : SubgroupSize();
        if (words_.size) {
            local_size_ = words_.size;
            return;
        }
        const bool halves = size_of(table_.dtype) == 2;
        const uint32_t most = graph_.caps().max_invocations >= 256 && graph_.caps().max_workgroup_size_x >= 256 ? 256 : 128;
        pack_ = halves ? 8 : 4;
        const uint32_t wanted = power_of_two_from((uint32_t(table_.shape[1]) + pack_ - 1) / pack_);
        lanes_ = wanted < most ? wanted : most;
        local_size_ = lanes_ < 128 ? 128 : lanes_;
        rows_ = local_size_ / lanes_;
    }

    // Rows of the table that a dispatch sees.
    Result choose_entries() {
        entries_ = table_.shape[0];
        while (table_.slice(0, 0, entries_).bytes() > graph_.max_view_bytes()) {
            if (entries_ == 1)
                return graph_.diagnostics().fail(Result::unsupported, "%s: one row of table spans %llu bytes where the limit is %llu",
                                                 kName, llu(table_.slice(0, 0, 1).bytes()), llu(graph_.max_view_bytes()));
            entries_ = (entries_ + 1) / 2;
        }
        return Result::ok;
    }

    Dispatch dispatch_of(uint64_t first) const {
        const uint64_t left = table_.shape[0] - first, count = left < entries_ ? left : entries_;
        Dispatch d;
        d.kernel = words_.size ? Kernel::embedding_words : Kernel::embedding;
        d.name = kName;
        d.local_size = local_size_;
        d.spec(SPEC_EMBEDDING_DIM, uint32_t(table_.shape[1]));
        if (words_.size) {
            std::snprintf(d.reason, sizeof d.reason, "a CPU: words side by side in the %u lanes of a subgroup", words_.size);
            d.variant = Variant::subgroup;
            d.flavour = Flavour::subgroup;
            d.subgroup_size = words_.require;
            d.full_subgroups = true;
        } else {
            std::snprintf(d.reason, sizeof d.reason, "scalar: %u lanes share a row", lanes_);
            d.spec(SPEC_PACK, pack_);
            d.spec(SPEC_PACK_WIDE, 1u);
            d.spec(SPEC_EMBEDDING_LANES, lanes_);
        }
        d.header[HEADER_FIRST_ID] = uint32_t(first);
        d.header[HEADER_ID_COUNT] = uint32_t(count);
        d.header[HEADER_VOCAB] = uint32_t(table_.shape[0]);
        d.argument(EMBEDDING_TABLE, table_.slice(0, first, count), Access::read);
        return d;
    }

    Graph& graph_;
    const Embedding& op_;
    const Checker check_;
    View table_;
    uint64_t entries_ = 1;
    bool words_by_address_ = false;  // shaders reach both tensors by address, and their rows are words side by side
    SubgroupSize words_;             // that embedding_words runs in; size 0: it does not
    uint32_t pack_ = 4, lanes_ = 1, local_size_ = 128, rows_ = 1;
};

}  // namespace

Result embedding(Graph* graph, const Embedding& op) noexcept {
    if (!graph) return Result::invalid_argument;
    if (graph->status != Result::ok) return graph->status;
    return graph->fail(EmbeddingBuilder(graph, op).run());
}

}  // namespace scandium
