"""Every measure by its name; `CONVENTIONS` says in words what each one means.

`(labels, scores, *, valid=None)`, scikit-learn's order, on the host in float64;
`(image, reference)` and `(prediction, target)`, one value per image, on the device:
average those with `mean` over the whole data, never batch by batch.
"""

from jaxforensics.evaluation.calibration import expected_calibration_error
from jaxforensics.evaluation.classification import (
    accuracy,
    auc,
    average_precision,
    brier,
    confusion,
    eer,
    mean,
    relative_error_reduction,
    roc,
    tpr_at_fpr,
)
from jaxforensics.evaluation.localisation import (
    cosine_similarity,
    iinc,
    iou,
    pixel_accuracy,
    soft_dice,
)
from jaxforensics.evaluation.quality import psnr, ssim

# What each name of a table means; a summary's names begin or end with one of these.
CONVENTIONS = {
    "accuracy": "share of right decisions; fake if score >= threshold",
    "auc": "area under the ROC curve; ties count half",
    "average_precision": "sum of precision x gained recall; no interpolation",
    "brier": "mean squared error of P(fake)",
    "confusion": "rows: true class; columns: class said",
    "cosine_similarity": "cosine between maps; two empty maps 1, one empty map 0",
    "eer": "FPR = 1 - TPR on the ROC curve joined by lines",
    "expected_calibration_error": "P(fake) against share of fakes; 15 equal bins",
    "iinc": "Dang et al. (2020), pixels >= 0.1; lower is better",
    "iou": "intersection over union of pixels >= 0.1; two empty maps 1",
    "mean": "over images",
    "pixel_accuracy": "share of pixels on the same side of 0.1",
    "psnr": "dB, peak 1; per image, over all pixels and colours",
    "relative_error_reduction": "(baseline errors - errors) / baseline errors",
    "roc": "every distinct score is a threshold",
    "soft_dice": "2 sum(xy) / (sum(x) + sum(y)), no threshold; two empty maps 1",
    "ssim": "Gaussian window 11, sigma 1.5, peak 1; per image, mean over colours",
    "tpr_at_fpr": "largest TPR attained at FPR <= 0.01; no interpolation",
}

__all__ = [
    "CONVENTIONS",
    "accuracy",
    "auc",
    "average_precision",
    "brier",
    "confusion",
    "cosine_similarity",
    "eer",
    "expected_calibration_error",
    "iinc",
    "iou",
    "mean",
    "pixel_accuracy",
    "psnr",
    "relative_error_reduction",
    "roc",
    "soft_dice",
    "ssim",
    "tpr_at_fpr",
]
