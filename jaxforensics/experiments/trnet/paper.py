"""What TR-Net's paper prints (Liu et al., 2022), shares of one.

Measured on All-in-One-DF: CelebA, ProGAN, STGAN and DeepfakeTIMIT at 128 x 128.
"""

VICTIMS = "Xception", "Patch-CNN", "DCTA", "F3-Net", "LF", "NF"
ATTACKS = "Noise", "FGSM", "PGD", "GANprintR", "TR-Net"


def _table(columns, text):
    """{victim: {column: share}}."""
    rows = text.strip().splitlines()
    return {
        victim: dict(zip(columns, (float(x) / 100 for x in row.split()), strict=True))
        for victim, row in zip(VICTIMS, rows, strict=True)
    }


CLEAN = "Real", "Fake"
NONE = _table(  # Table 1
    (*CLEAN, *ATTACKS),
    """
     99.95  99.86  65.44   4.43   0.01  58.53  18.90
     93.47  92.13  53.91  12.36   9.81  57.31  13.06
     95.51  90.66  51.59  33.18  25.37  70.24  30.16
    100.00  99.97  85.41  49.62  45.73  80.73  56.10
     94.66  91.55  37.12  16.00  15.55  64.76  14.01
     78.81  71.12  42.65  28.21  25.70  31.88  21.74
    """,
)
WEAK = _table(  # Table 2
    (*CLEAN, *ATTACKS),
    """
    98.55  98.86  98.00  34.73  33.35  73.37  31.13
    96.27  90.66  90.01  58.47  42.19  79.65  33.84
    98.40  94.99  95.77  46.94  45.44  84.80  44.66
    99.92  99.64  96.87  55.79  56.16  91.75  73.03
    94.57  94.63  82.70  48.68  39.91  76.54  35.60
    80.43  75.54  74.99  59.71  56.62  58.70  40.84
    """,
)
# Table 3: clean fakes, attacked fakes.  Its last cell of Xception is lost in print;
# 49.7 follows from the average of the column, 59.74.
STRONG = _table(
    [(attack, kind) for attack in ATTACKS for kind in ("clean", "attacked")],
    """
    99.37 99.64 97.69 71.22 97.36 59.32 98.34 98.37 60.17 49.70
    94.83 94.36 93.51 82.29 92.96 76.26 96.25 95.86 55.53 41.37
    93.08 91.20 93.53 77.87 92.88 78.91 94.65 96.32 77.45 72.55
    99.51 99.88 96.36 84.18 95.50 81.85 99.54 98.53 88.44 81.25
    94.09 88.61 93.82 69.45 90.61 66.20 97.78 95.58 53.44 48.91
    73.29 71.67 73.51 67.41 78.00 67.11 79.64 68.89 65.98 64.66
    """,
)
QUALITY = {  # Table 4: PSNR in dB and SSIM, mean and standard deviation over pictures
    "Noise": ((26.86, 3.24), (0.634, 0.149)),
    "FGSM": ((30.13, 0.08), (0.764, 0.059)),
    "PGD": ((32.23, 0.20), (0.836, 0.041)),
    "GANprintR": ((25.80, 2.58), (0.924, 0.050)),
    "TR-Net": ((35.16, 3.32), (0.988, 0.004)),
}
LEFT_OUT = (  # Fig. 14c and d, by the text: fakes of ProGAN, known and unknown
    {"Xception": 0.3612, "F3-Net": 0.2014, "PSNR": 34.36, "SSIM": 0.9850},
    {"Xception": 0.4021, "F3-Net": 0.3090, "PSNR": 31.33, "SSIM": 0.9512},
)
