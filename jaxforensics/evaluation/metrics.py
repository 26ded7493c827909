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
    agreement,
    cosine_similarity,
    false_area,
    has_change,
    iinc,
    iou,
    map_psnr,
    map_ssim,
    parsing_iou,
    pixel_accuracy,
    soft_dice,
)
from jaxforensics.evaluation.quality import psnr, ssim

# What each name of a table means; a summary's names begin or end with one of these.
CONVENTIONS = {
    "accuracy": "share of right decisions; fake if score >= threshold",
    "agreement": "P(fake) where 0.5 % of the map reach 0.1, else 1 - P(fake)",
    "auc": "area under the ROC curve; ties count half",
    "average_precision": "sum of precision x gained recall; no interpolation",
    "brier": "mean squared error of P(fake)",
    "confusion": "rows: true class; columns: class said",
    "cosine_similarity": "cosine between maps; two empty maps 1, one empty map 0",
    "eer": "FPR = 1 - TPR on the ROC curve joined by lines",
    "expected_calibration_error": "P(fake) against share of fakes; 15 equal bins",
    "false_area": "share of pixels >= 0.1; over authentic images",
    "has_change": "share of images with a pixel >= 0.1 in the target",
    "iinc": "Dang et al. (2020), pixels >= 0.1; lower is better",
    "iou": "intersection over union of pixels >= 0.1; two empty maps 1",
    "map_psnr": "dB, peak 1; per map, at most 100",
    "map_ssim": "Gaussian window 11, sigma 1.5, peak 1; per map",
    "mean": "over images",
    "parsing_iou": "mean over the classes of an image, no threshold",
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
    "agreement",
    "auc",
    "average_precision",
    "brier",
    "confusion",
    "cosine_similarity",
    "eer",
    "expected_calibration_error",
    "false_area",
    "has_change",
    "iinc",
    "iou",
    "map_psnr",
    "map_ssim",
    "mean",
    "parsing_iou",
    "pixel_accuracy",
    "psnr",
    "relative_error_reduction",
    "roc",
    "soft_dice",
    "ssim",
    "tpr_at_fpr",
]
