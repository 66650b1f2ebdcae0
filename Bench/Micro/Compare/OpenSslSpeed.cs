using System.Diagnostics;
using System.Globalization;
using FastExit.Bench.Tunnel;

namespace FastExit.Bench.Micro.Compare;

/// <summary>
/// `openssl speed -mr -seconds 1 ecdhx25519`: EVP_PKEY_derive in a loop, always with the same two keys, a second of processor
/// time. It is started by the thread that measures and stays on its core.
/// </summary>
internal static class OpenSslSpeed
{
    // +F5:<test>:<bits>:<operations a second>:<seconds an operation>, of libcrypto 1.1.1 and 3.
    private const string Key = "+F5:";
    private const int Bits = 253, Fields = 5;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private static readonly string? s_program = HostProgram.Find("openssl");

    public static bool IsInstalled => s_program is not null;

    /// <summary>Microseconds an operation; not a number where the program is missing or does not know the curve.</summary>
    public static double Measure() => Parse(Run("speed", "-mr", "-seconds", "1", "ecdhx25519"), out double seconds) ? seconds * 1e6 : double.NaN;

    /// <summary>Such as `OpenSSL 3.0.19 27 Jan 2026`.</summary>
    public static string Version() => Run("version").Split('\n')[0].Split(" (")[0].Trim();

    /// <summary>The time of one X25519 in the machine-readable output.</summary>
    public static bool Parse(string output, out double seconds)
    {
        foreach (string line in output.Split('\n'))
        {
            string[] fields = line.Trim().Split(':');
            if (!line.StartsWith(Key, StringComparison.Ordinal) || fields.Length < Fields
                || !int.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out int bits) || bits != Bits)
                continue;
            // The rate has more digits than the time.
            if (double.TryParse(fields[3], NumberStyles.Float, CultureInfo.InvariantCulture, out double rate) && rate > 0 && double.IsFinite(rate))
            {
                seconds = 1 / rate;
                return true;
            }
        }

        seconds = double.NaN;
        return false;
    }

    // On the calling thread alone: the child inherits the cores of the thread that starts it.
    private static string Run(params string[] arguments)
    {
        if (s_program is null)
            return "";
        var info = new ProcessStartInfo(s_program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(info)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        string output = process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(s_patience))
            process.Kill();
        return output;
    }
}
