using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace FastExit.Bench.Lab;

/// <summary>
/// Destinations for the lab: <c>/</c> a page, <c>/bytes/N</c> N repeatable bytes with their SHA-256 in a header, <c>/upload</c> answers the
/// SHA-256 of what was sent, <c>/slow/SECONDS</c> answers late.
/// </summary>
internal sealed class LabWeb : IAsyncDisposable
{
    public const string DigestHeader = "X-Content-SHA256";
    private const long MaximumBytes = 16L << 30;
    private const int ChunkBytes = 64 << 10;
    private readonly WebApplication _application;

    private LabWeb(WebApplication application) => _application = application;

    public static async Task<LabWeb> StartAsync(IPEndPoint address)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.Limits.MaxRequestBodySize = null;
            options.Limits.MinRequestBodyDataRate = null;
            options.Limits.MinResponseDataRate = null;
            options.Listen(address);
        });
        WebApplication application = builder.Build();
        application.MapGet("/", (HttpContext context) => context.Response.WriteAsync("A small page from the lab.\n"));
        application.MapGet("/bytes/{count:long}", SendBytesAsync);
        application.MapMethods("/upload", ["POST", "PUT"], ReceiveAsync);
        application.MapGet("/slow/{seconds:double}", SlowAsync);
        try
        {
            await application.StartAsync().ConfigureAwait(false);
        }
        catch (IOException e)
        {
            await application.DisposeAsync().ConfigureAwait(false);
            throw new LabException($"the web server cannot listen on {address}: {e.Message}; choose another port with --web, or --no-web");
        }

        return new LabWeb(application);
    }

    /// <summary>The repeatable content: byte i of any length is a function of i alone.</summary>
    public static void Fill(Span<byte> destination, long offset)
    {
        for (int i = 0; i < destination.Length; i++)
        {
            ulong n = (ulong)(offset + i) / 8;
            n = (n + 1) * 0x9E3779B97F4A7C15;
            n ^= n >> 29;
            destination[i] = (byte)(n >> (int)(((ulong)(offset + i) % 8) * 8));
        }
    }

    public static string Digest(long count)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] chunk = new byte[ChunkBytes];
        for (long sent = 0; sent < count; sent += ChunkBytes)
        {
            int bytes = (int)Math.Min(ChunkBytes, count - sent);
            Fill(chunk.AsSpan(0, bytes), sent);
            hash.AppendData(chunk, 0, bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await _application.StopAsync(patience.Token).ConfigureAwait(false);
        await _application.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task SendBytesAsync(HttpContext context, long count)
    {
        if (count is < 0 or > MaximumBytes)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = count;
        context.Response.Headers[DigestHeader] = Digest(count);
        byte[] chunk = new byte[ChunkBytes];
        for (long sent = 0; sent < count; sent += ChunkBytes)
        {
            int bytes = (int)Math.Min(ChunkBytes, count - sent);
            Fill(chunk.AsSpan(0, bytes), sent);
            await context.Response.Body.WriteAsync(chunk.AsMemory(0, bytes), context.RequestAborted).ConfigureAwait(false);
        }
    }

    private static async Task ReceiveAsync(HttpContext context)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] chunk = new byte[ChunkBytes];
        long received = 0;
        int bytes;
        while ((bytes = await context.Request.Body.ReadAsync(chunk, context.RequestAborted).ConfigureAwait(false)) > 0)
        {
            hash.AppendData(chunk, 0, bytes);
            received += bytes;
        }

        await context.Response.WriteAsync(
            string.Create(CultureInfo.InvariantCulture, $"{Convert.ToHexStringLower(hash.GetHashAndReset())} {received}\n"))
            .ConfigureAwait(false);
    }

    private static async Task SlowAsync(HttpContext context, double seconds)
    {
        await Task.Delay(TimeSpan.FromSeconds(Math.Clamp(seconds, 0, 3600)), context.RequestAborted).ConfigureAwait(false);
        await context.Response.WriteAsync("late\n").ConfigureAwait(false);
    }
}
