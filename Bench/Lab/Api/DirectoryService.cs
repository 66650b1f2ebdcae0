using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using FastExit.Crypto.Primitives;
using FastExit.Topology;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using SimpleBase;

namespace FastExit.Bench.Lab.Api;

/// <summary>
/// The network's directory for a lab: JSON by HTTP, every route that clients and nodes ask for, with and without <c>/api</c> in front
/// (entry-and-directory.md §1, mix-link.md §6.8). It allows every origin, as clients in browsers need.
/// </summary>
internal sealed class DirectoryService : IAsyncDisposable
{
    private const string Prefix = "/api";
    private const int LargestBodyBytes = 64 << 10;
    private const int RefreshAgeSeconds = 30;
    private const int SignatureBytes = 64;
    private static readonly TimeSpan s_answerPatience = TimeSpan.FromSeconds(5);
    private readonly WebApplication _application;
    private readonly HttpClient _http = new() { Timeout = s_answerPatience };
    private readonly CancellationTokenSource _stop = new();
    private Task _polling = Task.CompletedTask;

    private DirectoryService(WebApplication application, DirectoryContent content)
    {
        _application = application;
        Content = content;
    }

    public DirectoryContent Content { get; }

    /// <summary>What clients are told, for example <c>http://127.0.0.1:18080/api</c>.</summary>
    public Uri Url { get; private set; } = null!;

    public Uri? SecureUrl { get; private set; }

    /// <exception cref="LabException">The address is taken, or the folder holds no lab.</exception>
    public static async Task<DirectoryService> StartAsync(LabDirectory lab, DirectorySettings settings)
    {
        DirectoryContent content;
        try
        {
            content = new DirectoryContent(lab, settings);
        }
        catch (TopologyException e)
        {
            throw new LabException(e.Message);
        }

        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.Limits.MaxRequestBodySize = LargestBodyBytes;
            options.Listen(settings.Listen);
            if (settings.ListenTls is { } secure)
                options.Listen(secure, listen => listen.UseHttps(SelfSigned()));
        });
        WebApplication application = builder.Build();
        var service = new DirectoryService(application, content);
        application.Run(service.AnswerAsync);
        try
        {
            await application.StartAsync().ConfigureAwait(false);
        }
        catch (IOException e)
        {
            await application.DisposeAsync().ConfigureAwait(false);
            throw new LabException($"the directory cannot listen on {settings.Listen}: {e.Message}; choose another address with --directory");
        }

        foreach (string address in application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses)
        {
            var url = new Uri(new Uri(address), Prefix);
            if (url.Scheme == Uri.UriSchemeHttps)
                service.SecureUrl = url;
            else
                service.Url = url;
        }

        if (settings.ExitApi is not null)
            service._polling = service.PollAsync();
        return service;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _polling.ConfigureAwait(false);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await _application.StopAsync(patience.Token).ConfigureAwait(false);
        await _application.DisposeAsync().ConfigureAwait(false);
        _http.Dispose();
        _stop.Dispose();
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=lab", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddDnsName("validator.nymtech.net");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(1));
    }

    private async Task AnswerAsync(HttpContext context)
    {
        IHeaderDictionary headers = context.Response.Headers;
        headers.AccessControlAllowOrigin = headers.AccessControlAllowHeaders = headers.AccessControlAllowMethods = "*";
        if (HttpMethods.IsOptions(context.Request.Method))
        {
            context.Response.StatusCode = StatusCodes.Status204NoContent;
            return;
        }

        string path = context.Request.Path.Value!.TrimEnd('/');
        if (path.StartsWith(Prefix + "/", StringComparison.Ordinal))
            path = path[Prefix.Length..];
        bool posted = HttpMethods.IsPost(context.Request.Method);
        if (!posted && !HttpMethods.IsGet(context.Request.Method))
        {
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }

        if (posted)
            await AnswerPostAsync(context, path).ConfigureAwait(false);
        else if (Answer(path, context.Request) is { } write)
            await WriteAsync(context, write).ConfigureAwait(false);
        else
            context.Response.StatusCode = StatusCodes.Status404NotFound;
    }

    private Action<Utf8JsonWriter>? Answer(string path, HttpRequest request)
    {
        DirectoryNode[] nodes = Content.Nodes();
        RotationClock clock = Content.Clock;
        int page = int.TryParse(request.Query["page"], out int asked) ? Math.Max(0, asked) : 0;
        DirectoryNode[] mixes = [.. nodes.Where(node => node.IsMix)], gateways = [.. nodes.Where(node => !node.IsMix)];
        const string Skimmed = "/v2/unstable/nym-nodes/skimmed";
        return path switch
        {
            "/v1/epoch/key-rotation-info" => json => DirectoryJson.RotationInfo(json, clock),
            "/v1/nym-nodes/rewarded-set" => json => DirectoryJson.RewardedSet(json, nodes, clock),
            Skimmed => json => DirectoryJson.Skimmed(json, nodes, clock, page, semi: false),
            Skimmed + "/mixnodes/active" or Skimmed + "/mixnodes/all" => json => DirectoryJson.Skimmed(json, mixes, clock, page, semi: false),
            Skimmed + "/entry-gateways" or Skimmed + "/exit-gateways" => json => DirectoryJson.Skimmed(json, gateways, clock, page, semi: false),
            "/v2/unstable/nym-nodes/semi-skimmed" => json => DirectoryJson.Skimmed(json, nodes, clock, page, semi: true),
            "/v1/nym-nodes/described" or "/v2/nym-nodes/described" =>
                json => DirectoryJson.Described(json, nodes, clock, page, Content.Settings.BuildVersion),
            "/v1/gateways/described" => json => LegacyJson.Gateways(json, nodes),
            "/v1/mixnodes/active" => json => LegacyJson.Mixes(json, nodes),
            _ => null,
        };
    }

    private static async Task WriteAsync(HttpContext context, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
            write(json);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = buffer.WrittenCount;
        await context.Response.Body.WriteAsync(buffer.WrittenMemory).ConfigureAwait(false);
    }

    private async Task AnswerPostAsync(HttpContext context, string path)
    {
        try
        {
            switch (path)
            {
                case "/v1/unstable/nym-nodes/by-addresses":
                    using (JsonDocument body = await ReadAsync(context).ConfigureAwait(false))
                        await WriteAsync(context, json => Existence(json, body.RootElement.GetProperty("addresses"))).ConfigureAwait(false);
                    break;
                case "/v1/nym-nodes/refresh-described":
                    using (JsonDocument body = await ReadAsync(context).ConfigureAwait(false))
                    {
                        if (IsRefresh(body.RootElement))
                        {
                            await AskExitAsync().ConfigureAwait(false);
                            await WriteAsync(context, json => json.WriteNullValue()).ConfigureAwait(false);
                        }
                        else
                        {
                            context.Response.StatusCode = StatusCodes.Status400BadRequest;
                        }
                    }

                    break;
                default:
                    context.Response.StatusCode = StatusCodes.Status404NotFound;
                    break;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
        }
    }

    private static Task<JsonDocument> ReadAsync(HttpContext context) =>
        JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);

    private void Existence(Utf8JsonWriter json, JsonElement addresses)
    {
        DirectoryNode[] nodes = Content.Nodes();
        json.WriteStartObject();
        json.WriteStartObject("existence");
        foreach (JsonElement element in addresses.EnumerateArray())
        {
            string text = element.GetString()!;
            DirectoryNode? node = IPAddress.TryParse(text, out IPAddress? address)
                ? nodes.FirstOrDefault(node => node.Addresses.Contains(address))
                : throw new FormatException("no address");
            if (node is null)
                json.WriteNull(text);
            else
                json.WriteNumber(text, node.Id);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Signed by a node of this network within the last 30 s (mix-link.md §6.7).</summary>
    private bool IsRefresh(JsonElement body)
    {
        string identity = body.GetProperty("node_identity").GetString()!;
        long timestamp = body.GetProperty("request_timestamp").GetInt64();
        byte[] signature = [.. body.GetProperty("signature").EnumerateArray().Take(SignatureBytes + 1).Select(number => number.GetByte())];
        long age = Content.Settings.Clock.GetUtcNow().ToUnixTimeSeconds() - timestamp;
        if (age is < 0 or > RefreshAgeSeconds || Content.Nodes().All(node => node.Identity != identity))
            return false;
        byte[] time = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(time, timestamp);
        byte[] key = Base58.Bitcoin.Decode(identity);
        return Ed25519.Verify(key, [.. key, .. time, .. "describe-cache-refresh-request"u8], signature);
    }

    private async Task PollAsync()
    {
        using var timer = new PeriodicTimer(Content.Settings.ExitApiPeriod);
        try
        {
            string? said = null;
            do
            {
                string? complaint = await AskExitAsync().ConfigureAwait(false);
                if (complaint is not null && complaint != said)
                    CommandText.Log($"directory: {complaint}");
                said = complaint;
            }
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    /// <returns>Null: the exit described itself; else why not.</returns>
    private async Task<string?> AskExitAsync()
    {
        if (Content.Settings.ExitApi is not { } api)
            return null;
        try
        {
            ExitDescription description = await ExitDescription.AskAsync(_http, api, _stop.Token).ConfigureAwait(false);
            return Content.Use(description) ? null : "the exit's API is somebody else's";
        }
        catch (Exception e) when (e is HttpRequestException or LabException || (e is OperationCanceledException && !_stop.IsCancellationRequested))
        {
            return $"the exit's API is not used: {e.Message}";
        }
    }
}
