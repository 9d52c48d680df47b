"""Public verifiers of mathematics as people call them, each with its own defaults; installed with the `eval` extra."""


def math_verify(completion: str, ground_truth: str) -> bool:
    """math-verify: the reference as LaTeX, the completion whole."""
    from math_verify import parse, verify

    return verify(parse(f"${ground_truth}$"), parse(completion))


def lm_eval_hendrycks(completion: str, ground_truth: str) -> float:
    """lm-eval's hendrycks_math, given what stands in the last box, which is more than its prompt asks for."""
    from lm_eval.tasks.hendrycks_math.utils import is_equiv

    from eval.verifiers.segments import last_box

    return float(is_equiv(last_box(completion) or completion, ground_truth))


def lm_eval_minerva(completion: str, ground_truth: str) -> float:
    """lm-eval's minerva_math, its `math_verify` metric."""
    from lm_eval.tasks.minerva_math.utils import process_results

    boxed = "\\boxed{" + ground_truth + "}"
    return float(process_results({"answer": ground_truth, "solution": boxed}, [completion])["math_verify"])
