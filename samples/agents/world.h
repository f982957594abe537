// A plain world: agents that push themselves towards goals, die of age or beyond the edge, and are born again.
#pragma once

#include <cstdint>
#include <vector>

class World {
public:
    static constexpr uint32_t kFeatures = 8, kActions = 2;

    explicit World(uint32_t agents);

    // What each agent sees: (agents, kFeatures).
    void observe(float* features) const;
    // What each does: (agents, kActions). Those that were born again are in reborn() until the next call.
    void act(const float* actions);

    const std::vector<uint32_t>& reborn() const { return reborn_; }

private:
    struct Agent {
        float x, y, vx, vy, goal_x, goal_y;
        uint32_t age;
    };
    float random();  // -1 to 1
    void place(Agent* agent);

    std::vector<Agent> agents_;
    std::vector<uint32_t> reborn_;
    uint32_t random_ = 1;
};
