using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;

namespace FastExit.Tests.EndToEnd;

/// <summary>How one curl ended: its exit code (0, or 97 for a refusal by the proxy), what it received, and its own words.</summary>
internal sealed record CurlResult(int ExitCode, long Bytes, string Digest, string Text, string Errors);

/// <summary>The real curl, bounded in time and ended through its own handle.</summary>
internal static class CurlCommand
{
    private const int KeptBytes = 4096;

    /// <param name="proxy">socks5h, socks5, socks4a or socks4.</param>
    /// <param name="client">Where the client listens.</param>
    /// <param name="url">What is fetched.</param>
    /// <param name="limit">Longest time.</param>
    /// <param name="more">Further arguments.</param>
    public static async Task<CurlResult> RunAsync(
        string proxy, IPEndPoint client, string url, TimeSpan limit, params string[] more)
    {
        var info = new ProcessStartInfo("curl") { RedirectStandardOutput = true, RedirectStandardError = true };
        string[] arguments =
        [
            "--silent", "--show-error", "--fail", "--noproxy", "", "--globoff",
            "--proxy", $"{proxy}://{client}",
            "--max-time", limit.TotalSeconds.ToString("0", CultureInfo.InvariantCulture),
            .. more,
            url,
        ];
        foreach (string argument in arguments)
            info.ArgumentList.Add(argument);
        return await RunAsync(info, limit);
    }

    /// <param name="info">curl with its arguments and both outputs redirected.</param>
    /// <param name="limit">Longest time, which curl keeps by itself.</param>
    public static async Task<CurlResult> RunAsync(ProcessStartInfo info, TimeSpan limit)
    {
        using Process curl = Process.Start(info)!;
        using var timeout = new CancellationTokenSource(limit + TimeSpan.FromSeconds(20));
        try
        {
            Task<string> errors = curl.StandardError.ReadToEndAsync(timeout.Token);
            using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            byte[] buffer = new byte[64 << 10];
            using var kept = new MemoryStream();
            long total = 0;
            int read;
            while ((read = await curl.StandardOutput.BaseStream.ReadAsync(buffer, timeout.Token)) > 0)
            {
                hash.AppendData(buffer, 0, read);
                total += read;
                kept.Write(buffer, 0, (int)Math.Min(read, KeptBytes - kept.Length));
            }

            await curl.WaitForExitAsync(timeout.Token);
            return new CurlResult(
                curl.ExitCode,
                total,
                Convert.ToHexStringLower(hash.GetHashAndReset()),
                System.Text.Encoding.UTF8.GetString(kept.ToArray()),
                await errors);
        }
        finally
        {
            if (!curl.HasExited)
                curl.Kill();
        }
    }
}
