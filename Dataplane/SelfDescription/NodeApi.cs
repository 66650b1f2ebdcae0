using System.Collections.Frozen;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using FastExit.Commands;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Prometheus;

namespace FastExit.SelfDescription;

/// <summary>
/// The node's HTTP interface (mix-link.md §6) on its own Kestrel: GET and HEAD of <see cref="NodeDocuments"/> under `/api/v1`, and the
/// metrics for who has the token. Everybody may ask, so requests are short, connections few and nothing about who asks is kept.
/// </summary>
internal sealed class NodeApi : IAsyncDisposable
{
    public const string Root = "/api/v1";

    private const int MaximumConnections = 512;
    private const int MaximumConnectionsPerAddress = 32;
    private const int MaximumHeaderBytes = 8 << 10;
    private const int MaximumLineBytes = 2 << 10;
    private const string PlainText = "text/plain; charset=utf-8";
    private const string Metrics = "/metrics/prometheus";
    private const string SystemInfo = "/system-info";
    private static readonly TimeSpan s_stopPatience = TimeSpan.FromSeconds(2);

    private static readonly FrozenDictionary<string, string> s_formerPaths = new Dictionary<string, string>
    {
        ["/hardware"] = Root + SystemInfo,
        ["/description"] = Root + "/description",
        ["/stats"] = Root + "/metrics/packets-stats",
        ["/verloc"] = Root + "/metrics/verloc",
        ["/metrics"] = Root + Metrics,
    }.ToFrozenDictionary();

    private readonly WebApplication _application;
    private readonly NodeDocuments _documents;
    private readonly CollectorRegistry? _metrics;
    private readonly byte[]? _token;

    private NodeApi(WebApplication application, NodeDocuments documents, CollectorRegistry? metrics, string? token)
    {
        _application = application;
        _documents = documents;
        _metrics = metrics;
        _token = token is null ? null : Encoding.UTF8.GetBytes(token);
    }

    /// <summary>Where it answers; port 0 was chosen by the kernel.</summary>
    public Uri Address { get; private set; } = new("http://localhost/");

    /// <param name="token">Opens the metrics; null: they are not there.</param>
    /// <exception cref="IOException">The address is taken or not of this machine.</exception>
    public static async Task<NodeApi> StartAsync(IPEndPoint listen, NodeDocuments documents, CollectorRegistry? metrics = null, string? token = null)
    {
        // Empty: neither environment variables nor files of the working directory configure this server.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Logging.ClearProviders();
        var share = new AddressShare(MaximumConnectionsPerAddress);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxConcurrentConnections = MaximumConnections;
            options.Limits.MaxConcurrentUpgradedConnections = 0;
            options.Limits.MaxRequestBodySize = 0;
            options.Limits.MaxRequestHeadersTotalSize = MaximumHeaderBytes;
            options.Limits.MaxRequestHeaderCount = 64;
            options.Limits.MaxRequestLineSize = MaximumLineBytes;
            options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
            options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(20);
            options.Listen(listen, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http1;
                endpoint.Use(next => connection => share.RunAsync(connection, () => next(connection)));
            });
        });
        var application = builder.Build();
        var api = new NodeApi(application, documents, metrics, token);
        application.Run(api.AnswerAsync);
        try
        {
            await application.StartAsync().ConfigureAwait(false);
        }
        catch
        {
            await application.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        api.Address = new Uri(application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return api;
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(s_stopPatience);
        await _application.StopAsync(patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _application.DisposeAsync().ConfigureAwait(false);
    }

    private Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        if (request.ContentLength is > 0 || request.Headers.TransferEncoding.Count > 0)
        {
            context.Response.Headers.Connection = "close";
            return SayAsync(context, StatusCodes.Status413PayloadTooLarge, "requests have no body here");
        }

        if (!HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method))
        {
            context.Response.Headers.Allow = "GET, HEAD";
            return SayAsync(context, StatusCodes.Status405MethodNotAllowed, "only GET and HEAD");
        }

        var path = request.Path.Value ?? "/";
        if (path.Length > 1 && path[^1] == '/')
            path = path[..^1];
        if (path is "/" or "")
            return SayAsync(context, StatusCodes.Status200OK, Landing);
        if (s_formerPaths.TryGetValue(path, out var moved))
        {
            context.Response.Headers.Location = moved;
            return SayAsync(context, StatusCodes.Status308PermanentRedirect, moved);
        }

        if (!path.StartsWith(Root + "/", StringComparison.Ordinal))
            return SayAsync(context, StatusCodes.Status404NotFound, "not found");
        path = path[Root.Length..];
        return path == Metrics ? MetricsAsync(context) : DocumentAsync(context, path);
    }

    private Task DocumentAsync(HttpContext context, string path)
    {
        if (_documents.Find(path) is not { } document)
        {
            return path switch
            {
                SystemInfo => SayAsync(context, StatusCodes.Status403Forbidden, "this node does not show its system"),
                "/network-requester" or "/network-requester/exit-policy" or "/ip-packet-router" => SayAsync(context, StatusCodes.Status501NotImplemented, "this node does not have that service"),
                _ when NodeDocuments.Absent.Contains(path) => SayAsync(context, StatusCodes.Status501NotImplemented, "this node does not have that"),
                _ => SayAsync(context, StatusCodes.Status404NotFound, "not found"),
            };
        }

        var output = context.Request.Query["output"];
        return (output.Count == 0 ? "json" : output.ToString()) switch
        {
            "json" => SendAsync(context, StatusCodes.Status200OK, "application/json", document.Read()),
            "yaml" => SendAsync(context, StatusCodes.Status200OK, "application/yaml", document.ReadYaml()),
            "bincode" => SayAsync(context, StatusCodes.Status406NotAcceptable, "no bincode here; output=json or output=yaml"),
            _ => SayAsync(context, StatusCodes.Status400BadRequest, "output must be json or yaml"),
        };
    }

    private async Task MetricsAsync(HttpContext context)
    {
        if (_token is null || _metrics is null)
        {
            await SayAsync(context, StatusCodes.Status404NotFound, "not found").ConfigureAwait(false);
            return;
        }

        const string Scheme = "Bearer ";
        var given = context.Request.Headers.Authorization.ToString();
        if (!given.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            || !CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given[Scheme.Length..])), SHA256.HashData(_token)))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await SayAsync(context, StatusCodes.Status401Unauthorized, "wrong token").ConfigureAwait(false);
            return;
        }

        context.Response.ContentType = PrometheusConstants.ExporterContentTypeValue.ToString();
        if (HttpMethods.IsGet(context.Request.Method))
            await _metrics.CollectAndExportAsTextAsync(context.Response.Body, context.RequestAborted).ConfigureAwait(false);
    }

    private static string Landing => $"""
        This is a gateway of the Nym mixnet, running FastExit {ProgramVersion.Text}.

        People reach the internet through it, so connections that come from this address were not made by its operator,
        who cannot know where they come from. What it allows: {Root}/network-requester/exit-policy
        Whom to ask: {Root}/description
        """;

    private static Task SayAsync(HttpContext context, int status, string text) =>
        SendAsync(context, status, PlainText, Encoding.UTF8.GetBytes(text + "\n"));

    private static Task SendAsync(HttpContext context, int status, string type, byte[] body)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = type;
        response.ContentLength = body.Length;
        response.Headers.XContentTypeOptions = "nosniff";
        return HttpMethods.IsHead(context.Request.Method) ? Task.CompletedTask : response.Body.WriteAsync(body).AsTask();
    }
}
