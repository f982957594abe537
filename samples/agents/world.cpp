#include "world.h"

#include <cmath>

namespace {

constexpr uint32_t kLifetime = 300;  // frames
constexpr float kFrame = 1.0f / 60, kDrag = 0.98f, kPush = 2.0f;

}  // namespace

World::World(uint32_t agents) : agents_(agents) {
    reborn_.reserve(agents);  // so that no frame allocates
    for (uint32_t i = 0; i < agents; ++i) {
        place(&agents_[i]);
        agents_[i].age = i * kLifetime / agents;
    }
}

float World::random() {
    random_ = random_ * 1664525u + 1013904223u;
    return float(random_ >> 8) / float(1 << 23) - 1;
}

void World::place(Agent* agent) {
    *agent = {};
    for (float* value : {&agent->x, &agent->y, &agent->goal_x, &agent->goal_y}) *value = random();
}

void World::observe(float* features) const {
    for (const Agent& agent : agents_) {
        const float seen[kFeatures] = {agent.x,
                                       agent.y,
                                       agent.vx,
                                       agent.vy,
                                       agent.goal_x - agent.x,
                                       agent.goal_y - agent.y,
                                       std::hypot(agent.goal_x - agent.x, agent.goal_y - agent.y),
                                       float(agent.age) / float(kLifetime)};
        for (float value : seen) *features++ = value;
    }
}

void World::act(const float* actions) {
    reborn_.clear();
    for (uint32_t i = 0; i < agents_.size(); ++i) {
        Agent& agent = agents_[i];
        agent.vx = kDrag * agent.vx + kPush * kFrame * std::tanh(actions[i * kActions]);
        agent.vy = kDrag * agent.vy + kPush * kFrame * std::tanh(actions[i * kActions + 1]);
        agent.x += agent.vx * kFrame;
        agent.y += agent.vy * kFrame;
        if (++agent.age < kLifetime && std::abs(agent.x) < 2 && std::abs(agent.y) < 2) continue;
        place(&agent);
        reborn_.push_back(i);
    }
}
