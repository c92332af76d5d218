"""Makes test/golden/evaluation.json: standard errors of a mean over chains, and the tasks that a difference of 5 points needs.

Seeded; numpy and Python's statistics only. The clustered standard error is that of an intercept-only least-squares
regression with cluster-robust variance (the sandwich, times T/(T-1)), and a bootstrap over tasks checks it. The number
of tasks is checked by simulation: at that number a two-sided test finds the difference in about 80 % of the cases.
"""

from statistics import NormalDist

import numpy as np

from common import write_json

DRAWS = [[4] * 60, [2] * 40, [1] * 80, [4, 1, 3, 2, 4] * 12, [3, 5]]


def chains(generator, draws, graded):
    """By task: 0/1 or graded values whose chance differs from task to task."""
    chances = generator.beta(0.8, 1.5, len(draws))
    values = [generator.binomial(5 if graded else 1, chance, n) / (5 if graded else 1) for chance, n in zip(chances, draws)]
    return [value.tolist() for value in values]


def sandwich(by_task):
    """Square root of (X'X)^-1 [sum_g X_g' u_g u_g' X_g] (X'X)^-1 T/(T-1), X a column of ones."""
    x = np.ones((sum(map(len, by_task)), 1))
    y = np.concatenate(by_task)
    bread = np.linalg.inv(x.T @ x)
    residuals = y - x @ (bread @ x.T @ y)
    scores = [part.sum() for part in np.split(residuals, np.cumsum([len(task) for task in by_task])[:-1])]
    return float(np.sqrt(bread @ [[np.square(scores).sum()]] @ bread * len(by_task) / (len(by_task) - 1))[0, 0])


def bootstrap(generator, by_task, resamples=20000):
    """Standard deviation of the mean over tasks drawn with replacement, each with all its chains."""
    sums, counts = np.array([sum(task) for task in by_task]), np.array([len(task) for task in by_task])
    drawn = generator.integers(len(by_task), size=(resamples, len(by_task)))
    return float((sums[drawn].sum(1) / counts[drawn].sum(1)).std(ddof=1))


def tasks_for(variance, difference=0.05, alpha=0.05, power=0.8):
    z = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(power)
    return int(np.ceil(z**2 * variance / difference**2))


def simulated_power(generator, n, spread, difference=0.05, trials=4000):
    """Share of trials in which the means of two samples of n tasks differ by more than 1.96 standard errors."""
    one, other = generator.normal(0, spread, (trials, n)), generator.normal(difference, spread, (trials, n))
    error = np.sqrt((one.var(1, ddof=1) + other.var(1, ddof=1)) / n)
    return float((np.abs(other.mean(1) - one.mean(1)) / error > 1.96).mean())


def main():
    generator = np.random.default_rng(20261128)
    cases = []
    for draws in DRAWS:
        for graded in (False, True):
            first, last = chains(generator, draws, graded), chains(generator, draws, graded)
            means = [np.array([np.mean(task) for task in part]) for part in (first, last)]
            values = np.concatenate(last)
            clustered, resampled = sandwich(last), bootstrap(generator, last)
            if len(draws) > 10:
                assert abs(resampled / clustered - 1) < 0.05, (clustered, resampled)
            unpaired, paired = 2 * means[1].var(ddof=1), (means[1] - means[0]).var(ddof=1)
            cases.append({
                "first": first, "last": last, "tasks": clustered, "chains": float(values.std(ddof=1) / np.sqrt(len(values))),
                "bootstrap": resampled, "models": tasks_for(unpaired), "gain": tasks_for(paired),
            })
    spread = 0.4
    n = tasks_for(2 * spread**2)
    power = simulated_power(generator, n, spread)
    print(f"{n} tasks: power {power:.3f}")
    assert abs(power - 0.8) < 0.02
    write_json("evaluation.json", {"cases": cases})


if __name__ == "__main__":
    main()
